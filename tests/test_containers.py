"""Containers as recorders and old programs write them: headers that lie, text in any encoding."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from conftest import moving_discs, write_video

from cornea_stream.errors import SourceError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.runs.run import run_source
from cornea_stream.sources import open_source


def test_text_of_another_encoding_is_no_obstacle(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(
        tmp_path / "v.avi", moving_discs(5), codec="mjpeg", pix_fmt="yuvj420p",
        time_base=Fraction(1, 25), title="Mueller",
    )  # fmt: skip
    path.write_bytes(path.read_bytes().replace(b"Mueller", b"M\xfc-ller"))
    result = run_source(path, tmp_path / "out", segmenter)
    assert (result.status, result.frames) == ("complete", 5)


def test_a_duration_of_zero_is_unknown(tmp_path: Path, segmenter: Segmenter) -> None:
    path = tmp_path / "still.gif"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("gif", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "rgb8"
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32), np.uint8), "gray")
        container.mux(stream.encode(frame.reformat(format="rgb8")))
        container.mux(stream.encode(None))
    content = path.read_bytes()
    mark = content.index(b"\x21\xf9\x04")  # the extension of 8 bytes that holds the delay
    path.write_bytes(content[:mark] + content[mark + 8 :])
    with open_source(path) as source:
        assert source.info.duration_s is None
        assert source.frame_estimate in (1, None)
    assert run_source(path, tmp_path / "out", segmenter).frames == 1


@pytest.mark.parametrize(("size", "rate"), [((720, 576), "25"), ((720, 480), "30000/1001")])
def test_dv_has_its_own_rate(tmp_path: Path, size: tuple[int, int], rate: str) -> None:
    path = tmp_path / "v.dv"
    with av.open(str(path), "w", format="dv") as container:
        stream = container.add_stream("dvvideo", rate=Fraction(rate))
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p" if rate == "25" else "yuv411p"
        for _ in range(2):
            picture = np.full((size[1], size[0], 3), 90, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with open_source(path) as source:
        assert source.info.rate == Fraction(rate)
        assert np.diff([frame.time_s for frame in source]) == pytest.approx(1 / Fraction(rate))


def tracks(path: Path, sizes: dict[int, str]) -> Path:
    """Write a video with one track per size, each flagged with dispositions or none."""
    with av.open(str(path), "w") as container:
        streams = []
        for width, flags in sizes.items():
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = width, width * 3 // 4, "yuv420p"
            stream.disposition = Disposition[flags] if flags else Disposition(0)
            streams.append(stream)
        for picture in moving_discs(5):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            for stream in streams:
                container.mux(stream.encode(frame.reformat(stream.width, stream.height, "yuv420p")))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("sizes", "chosen"),
    [
        ({96: "", 192: "default"}, 192),
        ({96: "default", 192: ""}, 96),
        ({96: "", 192: ""}, 192),
    ],
)
def test_the_main_track_is_taken(tmp_path: Path, sizes: dict[int, str], chosen: int) -> None:
    path = tracks(tmp_path / "v.mkv", sizes)
    with open_source(path) as source:
        assert source.info.width == chosen
        assert list(sizes)[source.info.video_track] == chosen
        assert len(list(source)) == 5
    with open_source(path, video_track=0) as source:
        assert source.info.width == 96
    with pytest.raises(SourceError, match=r"no video track 7: .*v\.mkv"):
        open_source(path, video_track=7)
