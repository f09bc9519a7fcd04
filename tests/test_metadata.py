"""Metadata in the overlay: title, creation time and timecode, and the rest only if asked for."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from chunks_compared import in_chunks
from conftest import moving_discs, write_video
from typer.testing import CliRunner

from cornea_stream.cli import app
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.timecode import timecode_at
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.result import RunResult
from cornea_stream.runs.run import run_source

NTSC = Fraction(30000, 1001)
GIVEN = {"title": "Left eye", "creation_time": "2024-05-06T07:08:09.000000Z"}
PRIVATE = {
    "artist": "Doctor Who",
    "location": "+40.6800-074.5000/",
    "comment": "bed 4",
    "operator": "Who Else",
}


def tagged(
    path: Path, tags: dict[str, str], *, rate: int = 25, count: int = 10, **of_stream: str
) -> Path:
    """Write a video with metadata of the file and of its video stream."""
    plain = write_video(
        path.with_name(f"plain-{path.stem}.mp4"), moving_discs(count), rate=rate,
        options={"g": "10"}, time_base=Fraction(1, 1000 * rate),
    )  # fmt: skip
    options = {"movflags": "+use_metadata_tags"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(plain)) as source, av.open(str(path), "w", options=options) as made:
        made.metadata.update(tags)
        stream = made.add_stream_from_template(source.streams.video[0])
        stream.codec_context.framerate = rate
        stream.metadata.update(of_stream)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                made.mux(packet)
    return path


def overlay_tags(result: RunResult) -> dict[str, Any]:
    """Return the metadata of overlay.mp4, with the timecode of its video stream."""
    with av.open(str(Path(result.folder) / "overlay.mp4")) as container:
        assert len(list(container.decode(video=0))) == result.frames
        stream = container.streams.video[0]
        return dict(container.metadata) | {"timecode": stream.metadata.get("timecode")}


def test_title_and_creation_time_are_carried_over(tmp_path: Path, segmenter: Segmenter) -> None:
    path = tagged(tmp_path / "v.mov", GIVEN | PRIVATE)
    result = run_source(path, tmp_path / "out", segmenter)
    found = overlay_tags(result)
    assert GIVEN.items() <= found.items()
    told = (Path(result.folder) / "run.json").read_text()
    for secret in PRIVATE.values():
        assert secret not in str(found) + told


def test_all_metadata_if_asked_for(tmp_path: Path, segmenter: Segmenter) -> None:
    path = tagged(tmp_path / "v.mov", GIVEN | PRIVATE, timecode="10:00:00:05")
    options = RunOptions(keep_metadata=True)
    whole = run_source(path, tmp_path / "out", segmenter, options)
    found = overlay_tags(whole)
    assert (GIVEN | PRIVATE).items() <= found.items()
    assert found["timecode"] == "10:00:00:05"
    told = (Path(whole.folder) / "run.json").read_text()
    assert all(value in told for value in PRIVATE.values())
    again = run_source(path, tmp_path / "out", segmenter, RunOptions(resume=True))
    assert again.status == "complete"  # and not skipped: the overlay holds too much
    assert not set(PRIVATE) & set(overlay_tags(again))


def test_the_option(tmp_path: Path, tiny_checkpoint: Path) -> None:
    path = tagged(tmp_path / "v.mkv", PRIVATE)
    for place, more in (("without", []), ("with", ["--keep-metadata"])):
        out = tmp_path / place
        command = ["run", str(path), "-o", str(out), "--checkpoint", str(tiny_checkpoint), *more]
        assert CliRunner().invoke(app, command).exit_code == 0
        with av.open(str(out / "v" / "overlay.mp4")) as container:
            assert container.metadata.get("artist") == ("Doctor Who" if more else None)


@pytest.mark.parametrize("suffix", ["mov", "mp4", "mkv", "mxf"])
def test_timecodes_are_carried_over(tmp_path: Path, segmenter: Segmenter, suffix: str) -> None:
    path = tmp_path / f"v.{suffix}"
    if suffix == "mxf":
        with av.open(str(path), "w") as container:
            container.metadata["timecode"] = "10:00:00:05"
            stream = container.add_stream("mpeg2video", rate=25)
            stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
            for picture in moving_discs(10):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
            container.mux(stream.encode(None))
    else:
        tagged(path, {}, timecode="10:00:00:05")
    assert overlay_tags(run_source(path, tmp_path / "a", segmenter))["timecode"] == "10:00:00:05"
    options = RunOptions(start_s=0.2)
    later = run_source(path, tmp_path / "b", segmenter, options)
    assert overlay_tags(later)["timecode"] == "10:00:00:10"


def test_dropped_labels_of_a_measured_rate(tmp_path: Path, segmenter: Segmenter) -> None:
    path = tmp_path / "v.mkv"  # whose times are rounded to milliseconds
    with av.open(str(path), "w") as container:
        container.metadata["timecode"] = "00:00:59;28"
        stream = container.add_stream("ffv1", rate=NTSC)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for picture in moving_discs(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    result = run_source(path, tmp_path / "out", segmenter, RunOptions(start_s=0.066))
    assert overlay_tags(result)["timecode"] == "00:01:00;02"


def test_joined_chunks_begin_with_the_timecode(tmp_path: Path, segmenter: Segmenter) -> None:
    path = tagged(tmp_path / "v.mp4", PRIVATE | GIVEN, count=40, timecode="10:00:00:05")
    options = RunOptions(start_s=0.2)
    found = overlay_tags(in_chunks(path, segmenter, options))
    assert (found["title"], found["timecode"]) == ("Left eye", "10:00:00:10")
    assert "artist" not in found
    options = RunOptions(keep_metadata=True, overwrite=True)
    assert PRIVATE.items() <= overlay_tags(in_chunks(path, segmenter, options)).items()


@pytest.mark.parametrize(
    "text", ["nonsense", "10:00:00;05", "10:00:00:25", "25:00:00:00", "1:2:3:4"]
)
def test_timecodes_that_do_not_fit_are_left_out(
    tmp_path: Path, segmenter: Segmenter, text: str
) -> None:
    path = tagged(tmp_path / "v.mkv", {"timecode": text})
    result = run_source(path, tmp_path / "out", segmenter)
    assert (result.status, overlay_tags(result)["timecode"]) == ("complete", None)
    assert text in (Path(result.folder) / "run.json").read_text()


def test_labels_are_dropped_as_the_standard_says() -> None:
    for rate, per_second in ((NTSC, 30), (2 * NTSC, 60)):
        labels = (
            f"{m // 60:02}:{m % 60:02}:{s:02};{f:02}"
            for m in range(125)
            for s in range(60)
            for f in range(per_second)
            if m % 10 == 0 or s > 0 or f >= per_second // 15
        )
        for index, label in enumerate(labels):
            if index % 97 == 0 or label[3:8] in ("00:59", "01:00", "09:59", "10:00"):
                time_s = float(index / rate)
                assert timecode_at("00:00:00;00", rate, time_s) == label
                assert timecode_at(label, rate, 0) == label


def test_timecodes_begin_anew_at_midnight() -> None:
    assert timecode_at("23:59:59:24", Fraction(25), 0.04) == "00:00:00:00"
    assert timecode_at("23:59:59;29", NTSC, float(1 / NTSC)) == "00:00:00;00"


def test_a_time_between_frames_gets_the_next_label() -> None:
    assert timecode_at("00:00:00:00", Fraction(25), 1.01) == "00:00:01:01"
    assert timecode_at("00:00:00:00", Fraction(24000, 1001), 1.001) == "00:00:01:00"
