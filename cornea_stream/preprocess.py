"""Decoded frame -> model input: colour conversion and resize in one step."""

from __future__ import annotations

import cv2
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from cornea_stream.frames import Frame, Image, upright


class Preprocessor:
    """Turn frames into upright RGB of the network's input size.

    The default scales in the frame's own pixel format and converts only the small picture, so no
    full-resolution RGB is made. `exact` follows the published steps instead: full-resolution RGB,
    then `cv2.resize` (bilinear, no anti-aliasing). The two differ by about 1 of 255 on average.
    Not for use by several threads at once: it keeps the scaler's tables.
    """

    def __init__(self, image_size: tuple[int, int], *, exact: bool = False) -> None:
        self.image_size = image_size
        self.exact = exact
        self._reformatter = VideoReformatter()

    def __call__(self, frame: Frame) -> Image:
        """Return (h, w, 3) uint8 RGB of `image_size`, contiguous."""
        height, width = self.image_size
        if self.exact:
            resized = cv2.resize(frame.rgb(), (width, height), interpolation=cv2.INTER_LINEAR)
            return np.asarray(resized, np.uint8)
        if frame.rotation % 180:
            height, width = width, height
        small = self._reformatter.reformat(
            frame.video, width, height, "rgb24", interpolation=Interpolation.AREA
        )
        return upright(np.asarray(small.to_ndarray(), np.uint8), frame.rotation)
