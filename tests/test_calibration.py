"""Calibration frames: from everywhere in the video, different, and enough of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import write_video

from cornea_stream.batch.setup import Setup
from cornea_stream.errors import UsageError
from cornea_stream.inference.calibration_frames import FRAMES, calibration_images
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source


def grays(count: int) -> list[np.ndarray]:
    return [np.full((64, 96, 3), 20 + i * 200 // count, np.uint8) for i in range(count)]


def test_frames_are_spread_over_the_whole_video(tmp_path: Path) -> None:
    images = calibration_images(write_video(tmp_path / "v.mp4", grays(160)), (32, 48))
    assert len(images) == FRAMES
    assert images[0].shape == (32, 48, 3)
    levels = [float(image.mean()) for image in images]
    assert levels[0] < 24
    assert levels[-1] > 210
    assert np.diff(levels).max() < 12


def test_a_short_video_gives_each_frame_once(tmp_path: Path) -> None:
    images = calibration_images(write_video(tmp_path / "v.mp4", grays(10)), (32, 48))
    assert len(images) == 10
    with pytest.raises(UsageError, match="too short to calibrate on"):
        calibration_images(write_video(tmp_path / "short.mp4", grays(5)), (32, 48))


def test_a_folder_of_many_images_is_thinned_evenly(tmp_path: Path) -> None:
    for index, image in enumerate(grays(150)):
        cv2.imwrite(str(tmp_path / f"{index:03d}.png"), image)
    levels = [float(image.mean()) for image in calibration_images(tmp_path, (32, 48))]
    assert FRAMES <= len(levels) < 2 * FRAMES
    assert levels[0] == 20
    assert levels[-1] > 210
    assert len({round(step) for step in np.diff(levels)}) <= 2


def test_calibration_without_int8_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="precision=int8"):
        Segmenter(calibration=tmp_path, precision="bf16")


def test_resume_tells_masks_of_other_calibrations_apart(
    tmp_path: Path, tiny_checkpoint: Path, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_video(tmp_path / "v.mp4", grays(3))
    statuses = []
    for calibration in (None, "a.mp4", tmp_path / "a.mp4", "b.mp4"):
        segmenter.calibration = calibration
        found = run_source(path, tmp_path / "out", segmenter, RunOptions(resume=True))
        statuses.append(found.status)
        setup = Setup(tiny_checkpoint, calibration=calibration and Path(calibration))
        assert setup.mask_settings() == segmenter.mask_settings
    assert statuses == ["complete", "complete", "skipped", "complete"]
