"""Converts decoded frames to model input like the published pipeline."""

from __future__ import annotations

import threading

import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from cornea_stream.media.frame import Frame, Image
from cornea_stream.media.orientation import upright
from cornea_stream.media.planes import Planes, packed_rgb


class _Converter(threading.local):
    """FFmpeg's scaler, one for each thread: setting it up costs as much as a conversion."""

    def __init__(self) -> None:
        self.reformatter = VideoReformatter()


_converter = _Converter()
_FULL_RANGE = np.rint(np.clip((np.arange(256) - 16) * 255 / 219, 0, 255)).astype(np.uint8)
"""Luma from 16 to 235 (BT.601, BT.709) as brightness from 0 to 255."""


def model_input(frame: Frame, image_size: tuple[int, int]) -> Image:
    """Return upright (h, w, 3) uint8 RGB of `image_size` (height, width), contiguous.

    The full frame is converted to RGB, deinterlaced, and resized with `cv2.resize` (bilinear, no
    anti-aliasing), as in training.
    """
    orientation = frame.orientation
    height, width = image_size[::-1] if orientation.sideways else image_size
    small = cv2.resize(_stored_rgb(frame), (width, height), interpolation=cv2.INTER_LINEAR)
    return upright(np.asarray(small, np.uint8), orientation)


def gray(image: Image) -> Image:
    """Return the (h, w) uint8 brightness of an (h, w, 3) RGB image."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def small_luma(planes: Planes, image_size: tuple[int, int]) -> Image:
    """Return the upright (h, w) uint8 luma of planes, from 0 to 255, at `image_size`.

    Its colors are weighted as the video's matrix says, those of `gray` as BT.601 does: masks agree
    at an IoU of 0.999 on average.
    """
    orientation = planes.layout.orientation
    height, width = image_size[::-1] if orientation.sideways else image_size
    small = cv2.resize(planes.pixels[0], (width, height), interpolation=cv2.INTER_LINEAR)
    if not planes.layout.full_range:
        small = cv2.LUT(small, _FULL_RANGE)
    return upright(np.asarray(small, np.uint8), orientation)


def _stored_rgb(frame: Frame) -> Image:
    """Return the pixels of `Frame.stored_rgb`, not to be changed, without a copy if possible."""
    if frame.first_field:
        return frame.stored_rgb()
    # The other cores have frames of their own to work on.
    return packed_rgb(_converter.reformatter.reformat(frame.video, format="rgb24", threads=1))
