"""`--start`: from there on the frames of one pass over the file, whatever a seek leads to."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from conftest import write_video

from cornea_stream.media.frame import Frame
from cornea_stream.sources import VideoSource, open_source

FRAMES, GOP = 50, 12
STEADY = [40 * i for i in range(FRAMES)]
VARIABLE = np.cumsum(np.resize([40, 1, 3, 90, 40, 40, 200, 10], FRAMES)).tolist()
X264 = {"preset": "ultrafast", "threads": "1", "crf": "12", "sc_threshold": "0", "g": str(GOP)}
KINDS = {
    "b-frames": {**X264, "bf": "3"},
    "open-gop": {**X264, "bf": "3", "x264-params": "open-gop=1:b-adapt=0"},
    "no-keyframes": {**X264, "bf": "0", "x264-params": "intra-refresh=1"},
}


def pictures() -> list[np.ndarray]:
    """Noise that walks, so that no two frames are alike."""
    noise = np.random.default_rng(0).integers(0, 255, (32, 48, 3)).astype(np.uint8)
    return [np.roll(noise, 2 * i, axis=1) for i in range(FRAMES)]


def told(frames: list[Frame]) -> list[tuple[float, int | None, str]]:
    return [
        (f.time_s, f.video.pts, hashlib.sha256(f.video.to_ndarray().tobytes()).hexdigest())
        for f in frames
    ]


def assert_exact(path: Path) -> None:
    """Compare runs from around both keyframes past the first second with one whole run."""
    with open_source(path) as source:
        whole = told(list(source))
    assert len(whole) == FRAMES
    asked = [time_s for time_s, _, _ in whole[2 * GOP - 4 : 3 * GOP + 6]]
    for start_s in (*asked, asked[3] - 0.0004, whole[-1][0]):
        expected = [frame for frame in whole if frame[0] >= start_s]
        with open_source(path, start_s=start_s) as source:
            assert told(list(source)) == expected, start_s
        assert source.warnings == []
        with VideoSource(path) as source:
            assert told([source.frame_at(expected[0][0])]) == expected[:1]


@pytest.mark.parametrize("first", [0, 5000])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("kind", ["b-frames", "open-gop"])
def test_variable_rate(tmp_path: Path, kind: str, suffix: str, first: int) -> None:
    path, times = tmp_path / f"v.{suffix}", [first + at for at in VARIABLE]
    assert_exact(write_video(path, pictures(), pts=times, options=KINDS[kind]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", ["mp4", "ts"])
def test_steady_rate(tmp_path: Path, kind: str, suffix: str) -> None:
    path = tmp_path / f"v.{suffix}"
    assert_exact(write_video(path, pictures(), pts=STEADY, options=KINDS[kind]))


@pytest.mark.parametrize("suffix", ["mp4", "ts"])
def test_open_gops_that_nothing_marks(tmp_path: Path, suffix: str) -> None:
    """A decoder then shows pictures before the keyframe too, made up where references lack."""
    options = KINDS["open-gop"]
    marked = write_video(tmp_path / f"a.{suffix}", pictures(), pts=VARIABLE, options=options)
    path = tmp_path / f"v.{suffix}"
    with av.open(str(marked)) as given, av.open(str(path), "w") as made:
        stream = made.add_stream_from_template(given.streams.video[0])
        without_sei = BitStreamFilterContext("filter_units=remove_types=6", given.streams.video[0])
        for packet in given.demux(video=0):
            for kept in without_sei.filter(packet) if packet.size else ():
                kept.stream = stream
                made.mux(kept)
    assert_exact(path)


@pytest.mark.parametrize("suffix", ["mp4", "ts", "mpg"])
def test_mpeg2(tmp_path: Path, suffix: str) -> None:
    """Few pictures of a program stream have a time of their own."""
    path = tmp_path / f"v.{suffix}"
    options = {"g": str(GOP), "bf": "2"}
    write_video(path, pictures(), time_base=Fraction(1, 25), codec="mpeg2video", options=options)
    assert_exact(path)
