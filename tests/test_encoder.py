"""Which encoder: auto takes the GPU's where there is one, and says so in plain words elsewhere."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from conftest import moving_discs, read_video, write_video

from cornea_stream.errors import UsageError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_stream.sinks import check_encoder, encoder
from cornea_stream.sinks.stream.target import parse_target
from cornea_stream.sinks.video_writer import VideoWriter
from cornea_stream.synthetic import generate_clip

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there may be an encoder here")


@no_gpu
def test_nvenc_without_a_gpu_is_one_sentence() -> None:
    with pytest.raises(UsageError, match=r"h264_nvenc does not open: .*: use libx264 or"):
        check_encoder("h264_nvenc")
    with pytest.raises(UsageError, match="h264_nvenc does not open"):
        check_encoder("h264_nvenc", crf=23, preset="p4")


@no_gpu
def test_auto_is_libx264_without_a_gpu() -> None:
    assert check_encoder("auto", crf=23) == check_encoder("libx264", crf=23)
    assert check_encoder("auto", preset="fast") == check_encoder("libx264", preset="fast")


def test_auto_takes_nvenc_where_it_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    real = check_encoder
    tried: list[tuple[str, float | None, str | None]] = []

    def check(codec: str, crf: float | None = None, preset: str | None = None) -> object:
        tried.append((codec, crf, preset))
        return real("libx264", crf, preset)

    monkeypatch.setattr(encoder, "check_encoder", check)
    real("auto", 23)
    real("auto", 23, "fast")  # a preset is one of libx264
    assert tried == [("h264_nvenc", 23, None), ("libx264", 23, "fast")]


def test_the_default_is_as_near_to_the_frame_as_its_preset_alone_in_no_more_bytes(
    tmp_path: Path,
) -> None:
    images = [image for image, _ in generate_clip(3, 24, 192, 256)]
    source = write_video(tmp_path / "v.mp4", images)
    sizes, distances = [], []
    for preset in (None, "superfast"):
        path = tmp_path / f"{preset}.mp4"
        with VideoWriter(path, source, preset=preset) as writer:
            for index, image in enumerate(images):
                writer.write(image, index / 25)
        sizes.append(path.stat().st_size)
        shown = [frame.to_ndarray(format="rgb24") for _, frame in read_video(path)]
        distances.append(np.abs(np.array(images, int) - np.array(shown)).mean())
    assert sizes[0] < 1.03 * sizes[1]
    assert distances[0] < 1.03 * distances[1]


@pytest.mark.gpu
def test_an_overlay_is_written_whatever_the_card_has(tmp_path: Path, segmenter: Segmenter) -> None:
    video = write_video(tmp_path / "v.mp4", moving_discs(20, 320, 240))
    result = run_source(video, tmp_path / "o", segmenter, RunOptions(codec="auto"))
    assert result.frames == 20
    assert result.paths["encode"] in ("h264_nvenc", "libx264")


def video_encoders() -> list[str]:
    """Return every name that the command line takes for a video encoder of this FFmpeg."""
    found = []
    for name in sorted(av.codecs_available):
        try:
            kind = av.Codec(name, "w").type
        except ValueError:  # it only decodes
            continue
        if kind == "video":
            found.append(name)
    return found


def steady(folder: Path) -> Path:
    """Write images, whose times are steady: some encoders know no others."""
    folder.mkdir()
    for index, picture in enumerate(moving_discs(5)):
        cv2.imwrite(str(folder / f"{index}.png"), picture)
    return folder


def test_every_encoder_gives_a_video_or_one_sentence(tmp_path: Path, segmenter: Segmenter) -> None:
    assert len(video_encoders()) > 50
    sources = steady(tmp_path / "images"), write_video(tmp_path / "v.ts", moving_discs(5))
    made, refused = set(), {}
    for name, source in product(video_encoders(), sources):
        out = tmp_path / f"{name}-{source.stem}"
        try:
            result = run_source(source, out, segmenter, RunOptions(codec=name))
        except UsageError as err:
            refused[name, source.stem] = str(err)
            assert {path.name for path in out.glob("*/*")} <= {"run.part.json"}
        else:
            assert len(read_video(out / source.stem / "overlay.mp4")) == result.frames == 5, name
            made.add((name, source.stem))
    assert not [text for text in refused.values() if not re.search(r": (use|try|check) ", text)]
    for name in ("libx264", "h264", "libx265", "libvpx-vp9", "libsvtav1", "av1"):
        assert {(name, "images"), (name, "v")} <= made
    assert ("mpeg2video", "images") in made
    assert not {("libvpx", "v"), ("rawvideo", "v"), ("vc2", "v"), ("mpeg2video", "v")} & made


def test_the_container_says_which_encoders_can(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(2))
    with pytest.raises(UsageError, match=r"mp4 cannot hold libvpx: use libx264 or libx265 or .*9$"):
        run_source(path, tmp_path / "out", segmenter, RunOptions(codec="libvpx"))
    assert not (tmp_path / "out").exists()
    result = run_source(path, tmp_path / "out", segmenter, RunOptions(codec="h264"))
    assert result.paths["encode"] == "libx264"


@pytest.mark.parametrize(
    ("target", "codec", "usable"),
    [
        ("rtmp://127.0.0.1/live/key", "ffv1", "flv cannot hold ffv1: use libx264 or"),
        ("rtmp://127.0.0.1/live/key", "mpeg4", "flv cannot hold mpeg4: use libx264 or"),
        ("udp://127.0.0.1:9", "libvpx-vp9", "mpegts cannot hold .*vp9: use libx264 or libx265$"),
        ("rtsp://127.0.0.1/cam", "ffv1", "rtsp cannot hold ffv1: use libx264 or"),
        ("-", "utvideo", "matroska cannot hold utvideo: use libx264 or"),
    ],
)  # fmt: skip
def test_streams_say_it_too(target: str, codec: str, usable: str) -> None:
    streams = (parse_target(target),)
    RunOptions(streams=streams, files=False, codec="libx264").check()
    with pytest.raises(UsageError, match=usable):
        RunOptions(streams=streams, files=False, codec=codec).check()
