"""Model input: the exact path follows the published steps, the fast one stays close to it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import disc, write_video

from cornea_stream.frames import Frame
from cornea_stream.preprocess import Preprocessor
from cornea_stream.source import open_source


def first(path: Path) -> Frame:
    with open_source(path) as source:
        return next(iter(source))


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
def test_exact_is_full_rgb_then_cv2_resize(tmp_path: Path, pix_fmt: str) -> None:
    path = write_video(tmp_path / "v.mp4", [disc(320, 200, 150, 90, 60)[0]], pix_fmt=pix_fmt)
    frame = first(path)
    rgb = frame.video.to_ndarray(format="rgb24")
    expected = cv2.resize(rgb, (64, 64), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(Preprocessor((64, 64), exact=True)(frame), expected)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_fast_is_close_to_exact(tmp_path: Path, pix_fmt: str, rotation: int) -> None:
    soft = cv2.GaussianBlur(disc(320, 200, 110, 70, 60)[0], (0, 0), 4)
    path = write_video(
        tmp_path / "v.mp4", [soft], pix_fmt=pix_fmt,
        prepare=lambda s: s.set_display_rotation(rotation),
    )  # fmt: skip
    frame = first(path)
    assert frame.rotation == rotation
    fast = Preprocessor((48, 64))(frame)
    exact = Preprocessor((48, 64), exact=True)(frame)
    assert fast.shape == exact.shape == (48, 64, 3)
    assert fast.flags.c_contiguous
    assert np.abs(fast.astype(int) - exact).mean() < 1.6


def test_colour_matrix_of_the_frame_is_used(tmp_path: Path) -> None:
    green = np.zeros((64, 64, 3), np.uint8)
    green[..., 1] = 200

    def tag(stream: object) -> None:
        stream.codec_context.colorspace = 1  # type: ignore[attr-defined]

    path = write_video(tmp_path / "v.mp4", [green], prepare=tag)
    frame = first(path)
    fast, exact = Preprocessor((32, 32))(frame), Preprocessor((32, 32), exact=True)(frame)
    assert np.abs(fast.astype(int) - exact).max() <= 3
