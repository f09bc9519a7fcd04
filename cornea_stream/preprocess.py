"""Decoded frame -> model input: resize in the frame's own YUV, then convert the small picture."""

from __future__ import annotations

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from cornea_stream.frames import Frame, Image, upright
from cornea_stream.planes import PLANAR_8_BIT, is_yuv, to_yuv420, view


class Preprocessor:
    """Turn frames into upright RGB of the network's input size.

    The published steps convert the whole picture to RGB and resize that with `cv2.resize`
    (bilinear); `exact` does the same. The default resizes each plane with the same function and
    converts only the small picture: bilinear weights and the colour matrix are both linear, so the
    result is the same up to rounding and the place of chroma samples, at a fraction of the cost.
    Not for use by several threads at once: it keeps the converter's tables.
    """

    def __init__(self, image_size: tuple[int, int], *, exact: bool = False) -> None:
        self.image_size = image_size
        self.exact = exact
        self._reformatter = VideoReformatter()

    def __call__(self, frame: Frame) -> Image:
        """Return (h, w, 3) uint8 RGB of `image_size`, contiguous."""
        height, width = self.image_size
        if self.exact or not is_yuv(frame.video):
            resized = cv2.resize(frame.rgb(), (width, height), interpolation=cv2.INTER_LINEAR)
            return np.asarray(resized, np.uint8)
        if frame.rotation % 180:
            height, width = width, height
        small = self._shrink(frame.video, width, height)
        rgb = self._reformatter.reformat(small, format="rgb24").to_ndarray()
        return upright(np.asarray(rgb, np.uint8), frame.rotation)

    def _shrink(self, video: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
        if video.format.name not in PLANAR_8_BIT:
            video = to_yuv420(video, self._reformatter)
        full_range = video.format.name.startswith("yuvj")
        small = av.VideoFrame(width, height, "yuvj420p" if full_range else "yuv420p")
        small.colorspace, small.color_range = video.colorspace, video.color_range
        for source, target in zip(video.planes, small.planes, strict=True):
            size = (target.width, target.height)
            view(target)[:] = cv2.resize(view(source), size, interpolation=cv2.INTER_LINEAR)
        return small
