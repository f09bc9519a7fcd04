"""Pixels of a frame's planes as arrays, without copying."""

from __future__ import annotations

import av
import numpy as np
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from numpy.typing import NDArray

_PLANAR_420 = ("yuv420p", "yuvj420p")


def view(plane: VideoPlane) -> NDArray[np.uint8]:
    """Return the (H, W) uint8 pixels of an 8-bit plane, sharing its memory."""
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]


def _is_yuv(video: av.VideoFrame) -> bool:
    """Whether a frame is stored as luma and chroma, rather than as RGB, gray or palette."""
    name = video.format.name
    return not video.format.is_rgb and not name.startswith(("gray", "pal8", "mono", "ya"))


def to_yuv420(video: av.VideoFrame, reformatter: VideoReformatter) -> av.VideoFrame:
    """Return `video` in 8-bit planar 4:2:0, tagged: itself where it is so already.

    YUV keeps its matrix and range; RGB and gray become BT.709, limited range.
    """
    if video.format.name in _PLANAR_420:
        return video
    pts, time_base = video.pts, video.time_base
    if not _is_yuv(video):
        converted = reformatter.reformat(
            video,
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        converted.colorspace, converted.color_range = Colorspace.ITU709, ColorRange.MPEG
    else:
        full = "j" in video.format.name or video.color_range == ColorRange.JPEG
        kept = ColorRange.JPEG if full else ColorRange.MPEG
        converted = reformatter.reformat(
            video, format="yuv420p", src_color_range=kept, dst_color_range=kept
        )
        converted.colorspace = video.colorspace
        converted.color_range = kept if full else video.color_range
    converted.pts, converted.time_base = pts, time_base
    return converted
