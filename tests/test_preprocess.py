"""Model input: the published steps, whatever the pixel format and the rotation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from conftest import disc, write_video

from cornea_stream.engines.preprocess import model_input, small_rgb
from cornea_stream.media.planes import Planes, native_planes
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


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuvj420p", "nv12"])
@pytest.mark.parametrize("colorspace", [1, 5])
@pytest.mark.parametrize("rotation", [0, 90, 180])
def test_image_of_planes_is_that_of_the_input(
    tmp_path: Path, rotation: int, pix_fmt: str, colorspace: int
) -> None:
    picture = disc(322, 200, 110, 70, 60)[0]  # rows of 322 pixels are stored in 336 bytes
    picture[:, :100] = (200, 60, 50)

    def prepare(stream: av.VideoStream) -> None:
        stream.set_display_rotation(rotation)
        stream.codec_context.colorspace = colorspace

    stored = "yuv420p" if pix_fmt == "nv12" else pix_fmt
    path = write_video(tmp_path / "v.mp4", [picture], pix_fmt=stored, prepare=prepare)
    with open_source(path) as source:
        frame = next(iter(source))
    assert int(frame.video.colorspace) == colorspace
    planes = native_planes(frame)
    assert planes is not None
    if pix_fmt == "nv12":
        luma, cb, cr = planes.pixels
        pairs = np.stack([cb, cr], axis=-1).reshape(len(cb), -1)
        planes = Planes(replace(planes.layout, interleaved=True), (luma, pairs))
    expected = model_input(frame, (48, 64))
    found = small_rgb(planes, (48, 64)).astype(int)
    away_from_edges = cv2.blur(expected.astype(np.float32), (5, 5)).astype(int)
    flat = np.abs(away_from_edges - expected) <= 2
    assert flat.mean() > 0.5
    assert np.abs(found - expected)[flat].max() <= 3
