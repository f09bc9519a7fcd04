"""Segmented runs: the same masks, table, PNGs, sound and times as in one piece."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from conftest import Image, audio_packets, disc, read_video, write_video

from cornea_stream.archives.batch import run_units
from cornea_stream.archives.work import Here, Setup, Step, Unit
from cornea_stream.frames import source_name
from cornea_stream.job import run_source
from cornea_stream.run_types import RunOptions, RunResult
from cornea_stream.segmenter import Segmenter
from cornea_stream.segments import join, segmented
from cornea_stream.segments.parts import PARTS
from cornea_stream.segments.segmented import InSegments
from cornea_stream.source.segment_source import SegmentSource
from cornea_stream.source.segments import plan_segments

EVERYTHING = RunOptions(mask=True, frames=True, metrics=True, polygons=True, white_to_white_mm=11.7)
X264 = {"g": "10", "bf": "3", "sc_threshold": "0", "crf": "12"}
OPEN_GOP = {**X264, "x264-params": "open-gop=1:scenecut=0"}


def eyes(count: int = 60) -> list[Image]:
    """Return a disc that wanders, jumps now and then, and is sometimes missing."""
    pictures = []
    for i in range(count):
        x = 40 + (7 * i) % 80 + (30 if i % 23 > 17 else 0)
        pictures.append(disc(160, 120, x, 50 + i % 17, 0 if i % 29 == 19 else 18 + i % 9)[0])
    return pictures


def both(
    path: Path, segmenter: Segmenter, options: RunOptions = EVERYTHING, length_s: float = 0.5
) -> tuple[RunResult, RunResult]:
    """Run a video in one piece and in segments."""
    whole = run_source(path, path.parent / "whole", segmenter, options)
    return whole, in_segments(path, segmenter, options, length_s)


def in_segments(
    path: Path,
    segmenter: Segmenter,
    options: RunOptions = EVERYTHING,
    length_s: float = 0.5,
    *,
    stop: threading.Event | None = None,
    on_step: Callable[[Step], None] = lambda step: None,
) -> RunResult:
    """Run a video in segments, one after the other in this process."""
    unit = Unit(path, path.parent / "cut" / source_name(path), options)
    executor = InSegments(Here(Given(segmenter)), length_s, smooth=segmenter.smooth)
    (result,), _ = run_units(
        [unit], executor, segmenter.mask_settings,
        stop=stop or threading.Event(), on_step=on_step, on_result=lambda unit, result: None,
    )  # fmt: skip
    assert not result.error, result.traceback
    return result


class Given(Setup):
    """A segmenter that is there already."""

    def __init__(self, segmenter: Segmenter) -> None:
        object.__setattr__(self, "segmenter", segmenter)

    def build(self) -> Segmenter:
        return self.segmenter  # type: ignore[attr-defined,no-any-return]


def assert_equal(whole: RunResult, cut: RunResult, *said: str) -> None:
    """Check all outputs: pixels of masks, every time, the table, PNG bytes, sound, run.json.

    `said` are warnings that the segmented run alone has.
    """
    a, b = Path(whole.folder), Path(cut.folder)
    assert sorted(p.name for p in a.iterdir()) == sorted(p.name for p in b.iterdir())
    assert (cut.status, cut.frames) == (whole.status, whole.frames)
    assert (cut.last_time_s, cut.scale) == (whole.last_time_s, whole.scale)
    warnings = sorted([*whole.warnings, *said])
    assert sorted(cut.warnings) == warnings
    for table in ("metrics.csv", "polygons.jsonl"):
        if (a / table).exists():
            assert (b / table).read_text() == (a / table).read_text()
    for one, other in zip(sorted(a.glob("frames/*")), sorted(b.glob("frames/*")), strict=True):
        assert one.name == other.name
        assert one.read_bytes() == other.read_bytes()
    for name in ("overlay.mp4", "mask.mkv"):
        if (a / name).exists():
            assert_equal_videos(a / name, b / name)
    # An encoder that got no more frames than it holds back does not tell how far it runs ahead.
    if (a / "overlay.mp4").exists() and max(segments_of(cut), default=3) > 2:
        assert decode_times(b / "overlay.mp4") == decode_times(a / "overlay.mp4")
    told = [json.loads((folder / "run.json").read_text()) for folder in (a, b)]
    for field in ("status", "source", "fingerprint", "frames", "last_time_s", "outputs", "settings",
                  "engine", "checkpoint", "scale", "paths"):  # fmt: skip
        assert told[0][field] == told[1][field]
    assert sorted(told[1]["warnings"]) == warnings


def assert_equal_videos(one: Path, other: Path) -> None:
    assert described(one) == described(other)
    for (time_s, frame), (other_s, copy) in zip(read_video(one), read_video(other), strict=True):
        assert other_s == time_s
        assert copy.rotation == frame.rotation
        if one.suffix == ".mkv":
            assert np.array_equal(copy.to_ndarray(), frame.to_ndarray())
        else:  # the encoder starts anew at every cut
            difference = copy.to_ndarray().astype(int) - frame.to_ndarray()
            assert np.abs(difference).mean() < 3
    if described(one)["audio"]:
        assert audio_packets(one) == audio_packets(other)


def decode_times(path: Path) -> list[int | None]:
    """Return the decoding times of the pictures, after checking that a player can keep them."""
    with av.open(str(path)) as container:
        stamps = [(p.dts, p.pts) for p in container.demux(video=0) if p.size]
    assert all(a[0] < b[0] for a, b in itertools.pairwise(stamps))
    assert all(dts <= pts for dts, pts in stamps)
    return [dts for dts, _ in stamps]


def described(path: Path) -> dict[str, Any]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        return {
            "size": (context.width, context.height, context.pix_fmt),
            "tags": (
                context.color_range, context.colorspace, context.color_primaries, context.color_trc
            ),
            "aspect": stream.sample_aspect_ratio,
            "codec": (context.name, context.codec_tag, context.extradata),
            "frames": stream.frames,
            "start": stream.start_time,
            "duration": container.duration if path.suffix == ".mp4" else None,
            "audio": [s.codec_context.name for s in container.streams.audio],
        }  # fmt: skip


def segments_of(result: RunResult) -> list[int]:
    """Return how many frames each segment of a run had; nothing when it was done in one piece."""
    told = json.loads((Path(result.folder) / "run.json").read_text())
    frames: list[int] = told.get("segments", {}).get("frames", [])
    return frames


@pytest.mark.parametrize("options", [X264, OPEN_GOP], ids=["closed", "open"])
@pytest.mark.parametrize(("suffix", "smooth"), [("mp4", False), ("mkv", True), ("ts", True)])
def test_a_steady_rate(
    tmp_path: Path, segmenter: Segmenter, suffix: str, options: dict[str, str], smooth: bool
) -> None:
    segmenter.smooth = smooth
    path = write_video(tmp_path / f"v.{suffix}", eyes(), options=options, audio="aac")
    whole, cut = both(path, segmenter)
    assert segments_of(cut) == [20, 20, 20]
    assert_equal(whole, cut)


VFR = np.cumsum([0, *([40, 1, 73, 40, 200, 33, 40] * 9)[:59]]).tolist()


@pytest.mark.parametrize(("every", "smooth"), [(1, True), (3, True), (7, False)])
@pytest.mark.parametrize("options", [X264, OPEN_GOP], ids=["closed", "open"])
def test_variable_rate_every_nth_frame_and_a_cut_out(
    tmp_path: Path, segmenter: Segmenter, options: dict[str, str], smooth: bool, every: int
) -> None:
    segmenter.smooth = smooth
    path = write_video(tmp_path / "v.mkv", eyes(), pts=VFR, options=options, audio="aac")
    for start_s, end_s in ((None, None), (0.45, 3.1), (0.113, None)):
        wanted = replace(EVERYTHING, every=every, start_s=start_s, end_s=end_s, overwrite=True)
        whole, cut = both(path, segmenter, wanted)
        assert len(segments_of(cut)) > 2
        assert_equal(whole, cut)


@pytest.mark.parametrize("base", [Fraction(1001, 30000), Fraction(1, 90000), Fraction(1, 12800)])
def test_time_bases_and_a_late_start(tmp_path: Path, segmenter: Segmenter, base: Fraction) -> None:
    step = round(Fraction(1, 30) / base)
    pts = [7 * step + i * step + (i % 2 if step > 1 else 0) for i in range(60)]
    path = write_video(
        tmp_path / "v.mp4", eyes(), pts=pts, time_base=base, rate=30, options=X264, audio="aac"
    )
    whole, cut = both(path, segmenter)
    assert len(segments_of(cut)) > 2
    assert_equal(whole, cut)


@pytest.mark.parametrize("rotation", [90, 180])
def test_turned_odd_anamorphic_pictures(
    tmp_path: Path, segmenter: Segmenter, rotation: int
) -> None:
    def prepare(stream: av.VideoStream) -> None:
        stream.set_display_rotation(rotation)
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        stream.codec_context.color_range, stream.codec_context.colorspace = 2, 1
        stream.codec_context.color_primaries, stream.codec_context.color_trc = 1, 1

    pictures = [picture[:119, :157] for picture in eyes()]
    path = write_video(
        tmp_path / "v.mp4", pictures, options=X264, prepare=prepare, pix_fmt="yuv444p"
    )
    whole, cut = both(path, segmenter)
    assert len(segments_of(cut)) > 2
    assert_equal(whole, cut)


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1", "mpeg4"])
def test_encoders_of_the_overlay(
    tmp_path: Path, segmenter: Segmenter, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SVT_LOG", "1")
    path = write_video(tmp_path / "v.mkv", eyes(), pts=VFR, options=X264)
    whole, cut = both(path, segmenter, RunOptions(codec=codec))
    assert len(segments_of(cut)) > 2
    assert_equal(whole, cut)


CODECS = {
    "libx265": ("mp4", {"g": "10", "x265-params": "log-level=error:open-gop=1:bframes=3"}),
    "libvpx-vp9": ("webm", {"g": "10", "auto-alt-ref": "1", "lag-in-frames": "8"}),
    "libsvtav1": ("mkv", {"g": "10", "preset": "10"}),
    "mpeg2video": ("ts", {"g": "10", "bf": "2"}),
    "mjpeg": ("mkv", {}),
    "ffv1": ("mkv", {"g": "10"}),
}


@pytest.mark.parametrize("codec", CODECS)
def test_codecs_of_the_source(
    tmp_path: Path, segmenter: Segmenter, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SVT_LOG", "1")
    suffix, options = CODECS[codec]
    base = Fraction(1, 25) if codec == "mpeg2video" else Fraction(1, 1000)
    path = write_video(
        tmp_path / f"v.{suffix}", eyes(), codec=codec, options=options, time_base=base,
        pix_fmt="yuvj420p" if codec == "mjpeg" else "yuv420p",
    )  # fmt: skip
    whole, cut = both(path, segmenter)
    assert len(segments_of(cut)) > 2
    assert_equal(whole, cut)


def mux_again(source: Path, target: Path, change: Callable[[int, av.Packet], bool]) -> Path:
    """Copy the picture packets of a file; `change` gets number and packet, and says if to keep."""
    with (
        av.open(str(source)) as given,
        av.open(str(target), "w", options={"avoid_negative_ts": "disabled"}) as container,
    ):
        stream = container.add_stream_from_template(given.streams.video[0])
        packets = [packet for packet in given.demux(video=0) if packet.size]
        for number, packet in enumerate(packets):
            if change(number, packet):
                packet.stream = stream
                container.mux(packet)
    return target


def test_times_before_zero(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(
        tmp_path / "v.mkv", eyes(), pts=[pts - 77 for pts in VFR], codec="ffv1",
        options={"g": "10"}, muxing={"avoid_negative_ts": "disabled"},
    )  # fmt: skip
    whole, cut = both(path, segmenter)
    assert any("begins at -0.0" in text and "mask.mkv" in text for text in cut.warnings)
    assert len(segments_of(cut)) > 2
    assert_equal(whole, cut)


@pytest.mark.parametrize("lost", [{13}, {19}, {21}, {20}, {30, 31}, set(range(40))])
@pytest.mark.parametrize("every", [1, 3])
def test_lost_packets(tmp_path: Path, segmenter: Segmenter, lost: set[int], every: int) -> None:
    """References are missing, and here and there the keyframe at which a cut would lie."""
    segmenter.smooth = True
    path = write_video(tmp_path / "a.mkv", eyes(), options=OPEN_GOP)
    mux_again(path, tmp_path / "v.mkv", lambda number, packet: number not in lost)
    whole, cut = both(tmp_path / "v.mkv", segmenter, replace(EVERYTHING, every=every))
    assert_equal(whole, cut)


@pytest.mark.parametrize("every", [1, 2, 3])
def test_frames_that_the_decoder_does_not_show(
    tmp_path: Path, segmenter: Segmenter, every: int
) -> None:
    """A recording that was cut at an open GOP begins with pictures whose references are gone."""
    options = CODECS["libx265"][1]
    whole_file = write_video(tmp_path / "a.mkv", eyes(70), codec="libx265", options=options)
    with av.open(str(whole_file)) as container:
        keys = [n for n, packet in enumerate(container.demux(video=0)) if packet.is_keyframe]
    path = tmp_path / "v.mkv"
    mux_again(whole_file, path, lambda number, packet: number >= keys[1])
    whole, cut = both(path, segmenter, replace(EVERYTHING, every=every))
    with av.open(str(path)) as container:
        planned = sum(packet.size > 0 for packet in container.demux(video=0))
    shown = len(read_video(path))
    assert shown < planned
    said = [text for text in cut.warnings if text.startswith("not cut at ")]
    assert (len(segments_of(cut)) > 2) == (not said) == ((planned - shown) % every == 0)
    assert_equal(whole, cut, *said)


@pytest.mark.parametrize("astray", [False, True])
def test_keyframes_that_are_none(
    tmp_path: Path, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch, astray: bool
) -> None:
    """A container that calls every picture a keyframe: decoding from there shows other pictures."""

    def lie(number: int, packet: av.Packet) -> bool:
        packet.is_keyframe = True
        return True

    path = write_video(tmp_path / "a.mp4", eyes(), codec="mpeg4", options={"g": "600"})
    mux_again(path, tmp_path / "v.mp4", lie)
    if astray:  # what if the decoder believed it too
        monkeypatch.setattr(SegmentSource, "_decoded_until", SegmentSource._decoded)
    whole, cut = both(tmp_path / "v.mp4", segmenter)
    assert len(plan_segments(tmp_path / "v.mp4", 0.5).segments) == 5
    said = [text for text in cut.warnings if text.startswith("not cut at ")]
    assert len(said) == (4 if astray else 0)
    assert len(segments_of(cut)) == (0 if astray else 5)
    assert_equal(whole, cut, *said)


def test_a_picture_that_changes_its_size(tmp_path: Path, segmenter: Segmenter) -> None:
    small, large = eyes(), [np.kron(p, np.ones((2, 2, 1), np.uint8)) for p in eyes()]
    files = [
        write_video(tmp_path / f"{n}.mkv", p, codec="mjpeg", pix_fmt="yuvj420p", pts=range(60))
        for n, p in enumerate((small, large))
    ]
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as container:
        stream: av.VideoStream | None = None
        for number, file in enumerate(files):
            with av.open(str(file)) as given:
                stream = stream or container.add_stream_from_template(given.streams.video[0])
                for index, packet in enumerate(p for p in given.demux(video=0) if p.size):
                    packet.pts = packet.dts = 40 * index + 1230 * number
                    if (packet.pts < 1230) == (number == 0):
                        packet.stream = stream
                        container.mux(packet)
    whole, cut = both(path, segmenter)
    said = [text for text in cut.warnings if text.startswith("not cut at ")]
    assert any("changed its size" in text for text in whole.warnings)
    assert said
    assert_equal(whole, cut, *said)


def damage(path: Path, begin: float, length: int) -> None:
    content = bytearray(path.read_bytes())
    start = int(begin * len(content))
    content[start : start + length] = bytes(length)
    path.write_bytes(content)


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("begin", [0.2, 0.5])
def test_damage(tmp_path: Path, segmenter: Segmenter, begin: float, every: int) -> None:
    rng = np.random.default_rng(0)
    noisy = [np.maximum(p, rng.integers(0, 90, p.shape, np.uint8)) for p in eyes(80)]
    path = write_video(tmp_path / "v.mp4", noisy, options={**OPEN_GOP, "crf": "30"})
    damage(path, begin, 5000)
    whole, cut = both(path, segmenter, replace(EVERYTHING, every=every))
    assert any("damaged" in warning for warning in whole.warnings)
    assert segments_of(cut) == []
    assert_equal(whole, cut, "not cut into segments: damage or wrong times in the video")


def test_repeated_times(tmp_path: Path, segmenter: Segmenter) -> None:
    def repeat(number: int, packet: av.Packet) -> bool:
        if number in (33, 34):
            packet.pts = packet.dts = 32 * 40
        return True

    path = write_video(tmp_path / "a.mkv", eyes(), options={**X264, "bf": "0"})
    mux_again(path, tmp_path / "v.mkv", repeat)
    whole, cut = both(tmp_path / "v.mkv", segmenter)
    assert any("retimed" in warning for warning in whole.warnings)
    assert_equal(whole, cut, "not cut into segments: times repeat")


@pytest.mark.parametrize("counted_on", [False, True])
def test_times_that_run_back(tmp_path: Path, segmenter: Segmenter, counted_on: bool) -> None:
    """Two transport streams, one after the other; their packets are counted, per stream."""
    content = write_video(tmp_path / "one.ts", eyes(), options=X264).read_bytes()
    packets = np.frombuffer(content, np.uint8).reshape(-1, 188)
    again = packets.copy()
    if counted_on:
        streams = (packets[:, 1] & 31).astype(int) << 8 | packets[:, 2]
        for stream in set(streams):
            of = streams == stream
            last = packets[of][-1, 3] & 15
            count = (again[of, 3] - packets[of][0, 3] + last + 1) & 15
            again[of, 3] = again[of, 3] & 240 | count
    path = tmp_path / "v.ts"
    path.write_bytes(content + again.tobytes())
    whole, cut = both(path, segmenter)
    why = "times r" if counted_on else "packets are damaged"
    (said,) = set(cut.warnings) - set(whole.warnings)
    assert said.startswith(f"not cut into segments: {why}")
    assert_equal(whole, cut, said)


def test_packets_without_times(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "v.h264", eyes(), options={**X264, "bf": "0"})
    whole, cut = both(path, segmenter)
    assert_equal(whole, cut, "not cut into segments: packets have no times")


def test_keyframes_that_depend_on_what_comes_before(tmp_path: Path, segmenter: Segmenter) -> None:
    """With intra refresh a picture builds up over many frames from a recovery point on."""
    options = {"x264-params": "intra-refresh=1:keyint=30:scenecut=0", "crf": "18"}
    path = write_video(tmp_path / "v.mp4", eyes(120), options=options)
    whole, cut = both(path, segmenter)
    assert len(segments_of(cut)) > 2
    assert_equal(whole, cut)


def test_what_is_not_cut(tmp_path: Path, segmenter: Segmenter) -> None:
    """Short videos, videos with one keyframe, images: one piece, and nothing said."""
    short = write_video(tmp_path / "short.mp4", eyes(10), options=X264)
    single = write_video(tmp_path / "single.mp4", eyes(), options={**X264, "g": "1000"})
    folder = tmp_path / "images"
    folder.mkdir()
    for index, picture in enumerate(eyes(20)):
        cv2.imwrite(str(folder / f"{index}.png"), picture)
    cv2.imwrite(str(tmp_path / "still.png"), eyes(1)[0])
    for path in (short, single, folder, tmp_path / "still.png"):
        whole, cut = both(path, segmenter)
        assert segments_of(cut) == []
        assert not any("cut" in warning for warning in cut.warnings)
        assert_equal(whole, cut)


def test_parquet_and_a_given_scale(tmp_path: Path, segmenter: Segmenter) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = write_video(tmp_path / "v.mp4", eyes(), pts=VFR, options=X264)
    whole, cut = both(path, segmenter, RunOptions(overlay=False, parquet=True, mm_per_px=0.1))
    assert len(segments_of(cut)) > 2
    one, other = (parquet.read_table(Path(r.folder) / "metrics.parquet") for r in (whole, cut))
    assert other.equals(one, check_metadata=True)
    assert sorted(p.name for p in Path(cut.folder).iterdir()) == ["metrics.parquet", "run.json"]


def test_the_summary_is_that_of_the_whole(tmp_path: Path, segmenter: Segmenter) -> None:
    pytest.importorskip("matplotlib")
    path = write_video(tmp_path / "v.mp4", eyes(), pts=VFR, options=X264)
    whole, cut = both(path, segmenter, RunOptions(summary=True))
    assert len(segments_of(cut)) > 2
    assert whole.outputs == cut.outputs
    one, other = (cv2.imread(str(Path(r.folder) / "summary.png")) for r in (whole, cut))
    assert np.abs(one.astype(int) - other).mean() < 1


def test_nothing_is_decoded_for_the_plan(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", eyes(), options=X264)
    wanted = plan_segments(path, 0.5)
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size and not p.is_keyframe]
        places = [(packet.pos or 0, packet.size) for packet in packets]
    content = bytearray(path.read_bytes())
    for position, size in places:
        content[position : position + size] = bytes(size)
    path.write_bytes(content)
    assert plan_segments(path, 0.5) == wanted
    assert [segment.index for segment in wanted.segments] == [0, 20, 40]


@pytest.mark.parametrize("every", [1, 7, 25, 59, 100])
@pytest.mark.parametrize("length_s", [0.1, 0.5, 1.3, 99])
def test_every_frame_lies_in_one_segment_that_has_a_frame_to_take(
    tmp_path: Path, every: int, length_s: float
) -> None:
    path = write_video(tmp_path / "v.mkv", eyes(), pts=VFR, options=OPEN_GOP)
    segments = plan_segments(path, length_s, every=every).segments
    assert [sum(s.holds(pts) for s in segments) for pts in VFR] == [1] * 60
    for segment, following in itertools.pairwise(segments):
        assert segment.end == following.start
        assert following.start - segment.start >= 1000 * length_s
    taken = [pts for number, pts in enumerate(VFR) if number % every == 0]
    assert all(any(segment.holds(pts) for pts in taken) for segment in segments)


def test_finished_segments_are_not_done_again(tmp_path: Path, segmenter: Segmenter) -> None:
    segmenter.smooth = True
    path = write_video(tmp_path / "v.mp4", eyes(), options=OPEN_GOP, audio="aac")
    whole = run_source(path, tmp_path / "whole", segmenter, EVERYTHING)
    folder = tmp_path / "cut" / "v"

    def give_up(step: Step) -> None:
        if step.progress and step.progress.frames == 45:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_segments(path, segmenter, on_step=give_up)
    assert sorted(p.name for p in folder.iterdir()) == [PARTS, "run.part.json"]
    parts = sorted((folder / PARTS).iterdir())
    manifests = [part / "run.json" for part in parts if (part / "run.json").exists()]
    assert len(manifests) == 2
    stamps = [path.stat().st_mtime_ns for path in manifests]
    seen: list[int] = []

    def look(step: Step) -> None:
        if step.progress:
            seen.append(step.progress.frames)
            assert [path.stat().st_mtime_ns for path in manifests] == stamps

    cut = in_segments(path, segmenter, replace(EVERYTHING, resume=True), on_step=look)
    assert seen[0] >= 40
    assert segments_of(cut) == [20, 20, 20]
    assert_equal(whole, cut)


def test_stopping_keeps_finished_segments(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "v.mp4", eyes(), options=X264)
    stop = threading.Event()
    whole = run_source(path, tmp_path / "whole", segmenter, EVERYTHING)
    cut = in_segments(
        path, segmenter, stop=stop,
        on_step=lambda s: stop.set() if s.progress and s.progress.frames == 25 else None,
    )  # fmt: skip
    folder = Path(cut.folder)
    assert (cut.status, cut.outputs) == ("interrupted", [])
    assert 25 <= cut.frames < 60
    assert sorted(p.name for p in folder.iterdir()) == [PARTS, "run.part.json"]
    assert_equal(whole, in_segments(path, segmenter, replace(EVERYTHING, resume=True)))


@pytest.mark.parametrize("broken", ["concatenate", "_join_rows", "_move_pngs", "discard_parts"])
def test_joining_that_was_interrupted_is_done_again(
    tmp_path: Path, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    path = write_video(tmp_path / "v.mp4", eyes(), options=X264, audio="aac")
    whole = run_source(path, tmp_path / "whole", segmenter, EVERYTHING)
    module = segmented if broken == "discard_parts" else join
    original, calls = getattr(module, broken), itertools.count()

    def interrupted(*args: Any, **more: Any) -> Any:
        if broken == "discard_parts":
            if next(calls) == 0:  # left from an earlier run
                return original(*args, **more)
        elif broken == "_move_pngs":
            original(args[0][:2], args[1][:2], *args[2:])
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(module, broken, interrupted)
        with pytest.raises(KeyboardInterrupt):
            in_segments(path, segmenter)
    decoded = []
    again = in_segments(path, segmenter, replace(EVERYTHING, resume=True), on_step=decoded.append)
    assert decoded == []
    if broken == "discard_parts":  # all was there already
        assert again.status == "skipped"
        again.status, again.warnings, again.scale = whole.status, whole.warnings, whole.scale
    assert_equal(whole, again)


def test_earlier_outputs_stay_until_all_is_joined(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "v.mp4", eyes(), options=X264)
    first = in_segments(path, segmenter)
    folder = Path(first.folder)
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}

    def look(step: Step) -> None:
        assert {p: p.stat().st_mtime_ns for p in before} == before

    del before[folder / "frames"]
    unit = Unit(path, folder, EVERYTHING)
    executor = InSegments(Here(Given(segmenter)), 0.5, smooth=False)
    (refused,), code = run_units(
        [unit], executor, segmenter.mask_settings,
        stop=threading.Event(), on_step=look, on_result=lambda unit, result: None,
    )  # fmt: skip
    assert code == 5
    assert "--overwrite" in (refused.error or "")
    look(Step(unit, None))
    wanted = replace(EVERYTHING, overwrite=True, every=2)
    again = in_segments(path, segmenter, wanted, on_step=look)
    assert_equal(run_source(path, tmp_path / "whole", segmenter, wanted), again)


def test_strict_stops_at_damage(tmp_path: Path, segmenter: Segmenter) -> None:
    rng = np.random.default_rng(0)
    noisy = [np.maximum(p, rng.integers(0, 90, p.shape, np.uint8)) for p in eyes(80)]
    path = write_video(tmp_path / "v.mp4", noisy, options={**X264, "crf": "30"})
    damage(path, 0.5, 5000)
    unit = Unit(path, tmp_path / "cut" / "v", replace(EVERYTHING, strict=True))
    (result,), code = run_units(
        [unit], InSegments(Here(Given(segmenter)), 0.5, smooth=False), segmenter.mask_settings,
        stop=threading.Event(), on_step=lambda step: None, on_result=lambda unit, result: None,
    )  # fmt: skip
    assert code == 3
    assert "damaged near" in (result.error or "")
    assert result.folder == str(unit.folder)


def test_damage_ends_work_on_segments_and_is_remembered(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    rng = np.random.default_rng(0)
    noisy = [np.maximum(p, rng.integers(0, 90, p.shape, np.uint8)) for p in eyes(80)]
    path = write_video(tmp_path / "v.mp4", noisy, options={**X264, "crf": "30"})
    damage(path, 0.2, 3000)
    folder = tmp_path / "cut" / "v"
    begun: list[int] = []

    def give_up(step: Step) -> None:
        if step.progress is None and step.unit.segment is None and begun:
            raise KeyboardInterrupt  # the whole is begun
        begun.append(step.progress.frames if step.progress else 0)

    with pytest.raises(KeyboardInterrupt):
        in_segments(path, segmenter, on_step=give_up)
    assert len(list((folder / PARTS).glob("*/run.json"))) < 3
    begun.clear()
    cut = in_segments(
        path, segmenter, replace(EVERYTHING, resume=True), on_step=lambda s: begun.append(1)
    )
    assert cut.frames <= len(begun) <= cut.frames + 1
    said = "not cut into segments: damage or wrong times in the video"
    assert_equal(run_source(path, tmp_path / "whole", segmenter, EVERYTHING), cut, said)
