"""Model input: the published steps, whatever the pixel format and the rotation."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import disc, write_video

from cornea_stream.engines.preprocess import gray, model_input, small_luma
from cornea_stream.media.planes import native_planes
from cornea_stream.sources import open_source


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_input_is_the_upright_rgb_resized(tmp_path: Path, pix_fmt: str, rotation: int) -> None:
    path = write_video(
        tmp_path / "v.mp4", [disc(320, 200, 110, 70, 60)[0]], pix_fmt=pix_fmt,
        prepare=lambda s: s.set_display_rotation(rotation),
    )  # fmt: skip
    with open_source(path) as source:
        frame = next(iter(source))
    assert frame.rotation == rotation
    expected = cv2.resize(frame.rgb(), (64, 48), interpolation=cv2.INTER_LINEAR)
    found = model_input(frame, (48, 64))
    assert found.flags.c_contiguous
    # The small picture is turned, not the large one: bilinear weights round the other way there.
    assert np.abs(found.astype(int) - expected).max() <= (0 if rotation == 0 else 1)


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180])
def test_luma_of_planes_is_the_brightness_of_the_input(
    tmp_path: Path, rotation: int, full_range: bool
) -> None:
    colored = disc(322, 200, 110, 70, 60)[0]  # rows of 322 pixels are stored in 336 bytes
    colorless = np.repeat(colored.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    path = write_video(
        tmp_path / "v.mp4", [colorless], pix_fmt="yuvj420p" if full_range else "yuv420p",
        prepare=lambda s: s.set_display_rotation(rotation),
    )  # fmt: skip
    with open_source(path) as source:
        frame = next(iter(source))
    planes = native_planes(frame)
    assert planes is not None
    expected = gray(model_input(frame, (48, 64)))
    assert np.abs(small_luma(planes, (48, 64)).astype(int) - expected).max() <= 3
