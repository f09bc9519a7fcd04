"""Converts decoded frames to model input like the published pipeline."""

from __future__ import annotations

import cv2
import numpy as np

from cornea_stream.media.frame import Frame, Image
from cornea_stream.media.orientation import upright


def model_input(frame: Frame, image_size: tuple[int, int]) -> Image:
    """Return upright (h, w, 3) uint8 RGB of `image_size` (height, width), contiguous.

    The full frame is converted to RGB, deinterlaced, and resized with `cv2.resize` (bilinear, no
    anti-aliasing), as in training.
    """
    orientation = frame.orientation
    height, width = image_size[::-1] if orientation.sideways else image_size
    small = cv2.resize(frame.stored_rgb(), (width, height), interpolation=cv2.INTER_LINEAR)
    return upright(np.asarray(small, np.uint8), orientation)
