"""Converts decoded frames to model input like the published pipeline."""

from __future__ import annotations

import threading

import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from cornea_stream.media.color import yuv_to_rgb
from cornea_stream.media.frame import Frame, Image
from cornea_stream.media.orientation import upright
from cornea_stream.media.planes import Planes, packed_rgb


class _Converter(threading.local):
    """FFmpeg's scaler, one for each thread: setting it up costs as much as a conversion."""

    def __init__(self) -> None:
        self.reformatter = VideoReformatter()


_converter = _Converter()


def model_input(frame: Frame, image_size: tuple[int, int]) -> Image:
    """Return upright (h, w, 3) uint8 RGB of `image_size` (height, width), contiguous.

    The full frame is converted to RGB, deinterlaced, and resized with `cv2.resize` (bilinear, no
    anti-aliasing), as in training.
    """
    orientation = frame.orientation
    height, width = image_size[::-1] if orientation.sideways else image_size
    small = cv2.resize(_stored_rgb(frame), (width, height), interpolation=cv2.INTER_LINEAR)
    return upright(np.asarray(small, np.uint8), orientation)


def small_rgb(planes: Planes, image_size: tuple[int, int]) -> Image:
    """Return the upright (h, w, 3) uint8 RGB of planes at `image_size`.

    It is made of the resized planes, so it differs by rounding from the resized RGB.
    """
    layout = planes.layout
    height, width = image_size[::-1] if layout.orientation.sideways else image_size
    luma, *chroma = planes.pixels
    if layout.interleaved:
        pairs = chroma[0].reshape(len(chroma[0]), -1, 2)
        chroma = [pairs[..., 0], pairs[..., 1]]
    y, cb, cr = (
        cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)
        for plane in (luma, *map(np.ascontiguousarray, chroma))
    )
    factors = yuv_to_rgb(layout.colorspace, full_range=layout.full_range)
    bright, cb, cr = (y - factors.black) * factors.luma, cb - 128, cr - 128
    green = bright + factors.green_cb * cb + factors.green_cr * cr
    colors = np.stack([bright + factors.red_cr * cr, green, bright + factors.blue_cb * cb], axis=-1)
    return upright(np.rint(np.clip(colors, 0, 255)).astype(np.uint8), layout.orientation)


def _stored_rgb(frame: Frame) -> Image:
    """Return the pixels of `Frame.stored_rgb`, not to be changed, without a copy if possible."""
    if frame.first_field:
        return frame.stored_rgb()
    # The other cores have frames of their own to work on.
    return packed_rgb(_converter.reformatter.reformat(frame.video, format="rgb24", threads=1))
