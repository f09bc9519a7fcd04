"""mask.mkv: a keyframe a second, any frame found by seeking, alike from a run in chunks."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from chunks_compared import both
from conftest import read_video, write_video

from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source

WALK = [cv2.circle(np.full((120, 160, 3), 50, np.uint8), (50 + i, 60), 28, (210, 200, 220), -1)
        for i in range(60)]  # fmt: skip


def keyframe_times(path: Path) -> list[float]:
    """Return the times in the index of the file; packets of FFV1 are always read as keyframes."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        container.seek(0)  # reads the index
        return [float(entry.timestamp * stream.time_base) for entry in stream.index_entries]


def test_one_keyframe_a_second(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "v.mp4", WALK, rate=25)
    result = run_source(path, tmp_path / "out", segmenter, RunOptions(mask=True))
    assert keyframe_times(Path(result.folder) / "mask.mkv") == [0, 1, 2]


def test_chunks_have_the_keyframes_of_the_whole(tmp_path: Path, segmenter: Segmenter) -> None:
    options = {"g": "10", "keyint_min": "10"}
    path = write_video(tmp_path / "v.mp4", WALK, rate=25, options=options)
    whole, cut = both(path, segmenter, RunOptions(mask=True))
    times = [keyframe_times(Path(result.folder) / "mask.mkv") for result in (whole, cut)]
    assert times[0] == times[1] == [0, 1, 2]


@pytest.mark.parametrize("number", [0, 1, 24, 25, 37, 59])
def test_any_mask_is_found_by_seeking(tmp_path: Path, segmenter: Segmenter, number: int) -> None:
    path = write_video(tmp_path / "v.mp4", WALK, rate=25)
    result = run_source(path, tmp_path / "out", segmenter, RunOptions(mask=True))
    file = Path(result.folder) / "mask.mkv"
    wanted = read_video(file)[number][1].to_ndarray()
    capture = cv2.VideoCapture(str(file))
    capture.set(cv2.CAP_PROP_POS_FRAMES, number)
    assert np.array_equal(capture.read()[1][..., 0], wanted)
    with av.open(str(file)) as container:
        container.seek(1000 * number // 25 * 1000)  # microseconds
        near = next(f for f in container.decode(video=0) if f.time >= number / 25 - 0.001)
        assert np.array_equal(near.to_ndarray(), wanted)
