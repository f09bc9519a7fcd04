"""Decoding by the GPU: what can be shown without one, which is that nothing is lost without it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from conftest import moving_discs, read_video, write_video

from cornea_stream.errors import SourceError, UsageError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.frame import Frame
from cornea_stream.media.planes import view
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_stream.sources import NvdecSource, VideoSource, open_source
from cornea_stream.sources.read_options import ReadOptions

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")


class PretendedNvdec(NvdecSource):
    """Decodes in software, hands frames out as NVDEC would, and fails after so many."""

    fail_after = 10**9

    def _open_in_hardware(self) -> tuple[av.container.InputContainer, av.VideoStream]:
        return VideoSource._open(self)

    def _planar(self, video: av.VideoFrame) -> av.VideoFrame:
        if self._given == self.fail_after:
            return super()._planar(video)  # not a format that NVDEC gives
        return super()._planar(video.reformat(format="nv12"))


def assert_same(found: list[Frame], expected: list[Frame]) -> None:
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert (a.index, a.time_s, a.video.pts, a.video.time_base, a.rotation) == (
            b.index, b.time_s, b.video.pts, b.video.time_base, b.rotation,
        )  # fmt: skip
        assert a.video.format.name == b.video.format.name
        assert (a.video.colorspace, a.video.color_range) == (
            b.video.colorspace, b.video.color_range,
        )  # fmt: skip
        for one, other in zip(a.video.planes, b.video.planes, strict=True):
            assert np.array_equal(view(one), view(other))


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(
        tmp_path / "v.mp4", moving_discs(30), pts=[40 * i + 3 * (i % 4) for i in range(30)],
        options={"bf": "2", "g": "10"}, prepare=lambda s: s.set_display_rotation(90),
    )  # fmt: skip


def read(source: VideoSource) -> list[Frame]:
    with source:
        return list(source)


def test_frames_are_those_of_the_cpu(video: Path) -> None:
    source = PretendedNvdec(video)
    assert_same(read(source), read(VideoSource(video)))
    assert source.info == VideoSource(video).info
    assert (source.decoder, source.warnings) == ("NVDEC", [])


@pytest.mark.parametrize("fail_after", [0, 1, 13])
@pytest.mark.parametrize("start_s", [None, 1.1])
def test_trouble_on_the_way_loses_and_repeats_no_frame(
    video: Path, monkeypatch: pytest.MonkeyPatch, fail_after: int, start_s: float | None
) -> None:
    monkeypatch.setattr(PretendedNvdec, "fail_after", fail_after)
    source = PretendedNvdec(video, ReadOptions(start_s=start_s))
    assert_same(read(source), read(VideoSource(video, ReadOptions(start_s=start_s))))
    assert source.decoder == ("NVDEC, then CPU" if fail_after else "CPU")
    assert source.warnings == ["no NVDEC: it does not take h264 in yuv420p: decoded on the CPU"]


def test_a_raw_stream_without_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = write_video(tmp_path / "v.h264", moving_discs(20), options={"g": "10"})
    monkeypatch.setattr(PretendedNvdec, "fail_after", 7)
    assert_same(read(PretendedNvdec(raw)), read(VideoSource(raw)))


def test_damage_is_told_as_by_the_cpu(video: Path) -> None:
    content = bytearray(video.read_bytes())
    middle = len(content) // 3
    content[middle : middle + 400] = bytes(400)
    video.write_bytes(content)
    plain = VideoSource(video)
    expected = read(plain)
    assert plain.warnings  # else this shows nothing
    source = PretendedNvdec(video)
    assert_same(read(source), expected)
    *damage, note = source.warnings
    assert damage == plain.warnings
    assert note.startswith("no NVDEC: an error near ")
    with pytest.raises(SourceError, match="damaged near"):
        read(PretendedNvdec(video, ReadOptions(strict=True)))


@no_gpu
def test_without_a_gpu_the_cpu_decodes(video: Path) -> None:
    with open_source(video, decoder="nvdec") as source:
        assert isinstance(source, NvdecSource)
        assert_same(list(source), read(VideoSource(video)))
        assert source.decoder == "CPU"
        (note,) = source.warnings
        assert note.startswith("no NVDEC: ")
        assert note.endswith(": decoded on the CPU")
        assert_same([source.frame_at(0.5)], [VideoSource(video).frame_at(0.5)])


def test_what_is_no_video_is_told_as_without(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.write_text("no video")
    with pytest.raises(SourceError, match="not a readable video"):
        open_source(path, decoder="nvdec")
    with pytest.raises(SourceError, match="input not found"):
        open_source(tmp_path / "none.mp4", decoder="nvdec")
    with pytest.raises(UsageError, match="unknown decoder: 'gpu': use auto, cpu, nvdec"):
        open_source(path, decoder="gpu")


@no_gpu
def test_a_run_says_who_did_what(video: Path, tmp_path: Path, segmenter: Segmenter) -> None:
    result = run_source(video, tmp_path / "o", segmenter, RunOptions(decoder="nvdec", codec="auto"))
    expected = {"decode": "CPU", "preprocess": "CPU", "network": "test", "encode": "libx264"}
    assert result.paths == expected
    told = json.loads((Path(result.folder) / "run.json").read_text())
    assert told["paths"] == expected
    assert any(warning.startswith("no NVDEC: ") for warning in told["warnings"])
    assert len(read_video(Path(result.folder) / "overlay.mp4")) == 30
    # The decoder decides no pixel, so another one is no reason to do the work again.
    again = run_source(
        video, tmp_path / "o", segmenter, RunOptions(decoder="cpu", codec="auto", resume=True)
    )
    assert again.status == "skipped"


def clips(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    for codec in ("libx264", "libx265"):
        pictures = moving_discs(40, 640, 480)
        options = {"bf": "2"} if codec == "libx264" else {"x265-params": "log-level=error"}
        yield codec, write_video(tmp_path / f"{codec}.mp4", pictures, codec=codec, options=options)


@pytest.mark.gpu
def test_nvdec_gives_the_frames_of_the_cpu_bit_for_bit(tmp_path: Path) -> None:
    for codec, path in clips(tmp_path):
        source = NvdecSource(path)
        assert_same(read(source), read(VideoSource(path)))
        assert (source.decoder, source.warnings) == ("NVDEC", []), codec


@pytest.mark.gpu
def test_nvdec_seeks_and_falls_back(tmp_path: Path) -> None:
    path = next(clips(tmp_path))[1]
    assert_same(
        read(NvdecSource(path, ReadOptions(start_s=0.8))),
        read(VideoSource(path, ReadOptions(start_s=0.8))),
    )
    odd = write_video(tmp_path / "o.mp4", moving_discs(5, 640, 480), pix_fmt="yuv422p")
    source = NvdecSource(odd)
    assert_same(read(source), read(VideoSource(odd)))
    assert source.decoder == "CPU"
