"""The planes of a frame as arrays, without copying."""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from numpy.typing import NDArray

from cornea_stream.media.frame import Frame
from cornea_stream.media.orientation import UPRIGHT, Orientation, upright

_PLANAR_420 = ("yuv420p", "yuvj420p")
# BT.709, unspecified, BT.601 (two) and BT.2020: the color matrices that `color` supports.
_KNOWN_MATRICES = (1, 2, 5, 6, 9)


@dataclass(frozen=True, slots=True)
class Layout:
    """How the pixels of an 8-bit 4:2:0 frame are stored and interpreted.

    `height` and `width` are stored pixels, both even. With `interleaved`, Cb and Cr alternate in
    one plane (NV12). `colorspace` is FFmpeg's number.
    """

    height: int
    width: int
    interleaved: bool
    colorspace: int
    full_range: bool
    orientation: Orientation


@dataclass(frozen=True, slots=True)
class Planes:
    """The decoded pixels of a frame: views that share its memory and keep it alive.

    `pixels` are uint8: Y (H, W), then Cb and Cr (H / 2, W / 2) each, or both as (H / 2, W).
    """

    layout: Layout
    pixels: tuple[NDArray[np.uint8], ...]


def native_planes(frame: Frame) -> Planes | None:
    """Return the planes of an 8-bit 4:2:0 frame, or None for other pixel formats.

    None is also returned for unknown color matrices, for odd sizes (FFmpeg interpolates their
    chroma) and for interlaced frames (their chroma rows belong to two fields).
    """
    video = frame.video
    name = video.format.name
    if (
        name not in (*_PLANAR_420, "nv12")
        or int(video.colorspace) not in _KNOWN_MATRICES
        or video.height % 2
        or video.width % 2
        or video.interlaced_frame
        or frame.first_field
    ):
        return None
    interleaved = name == "nv12"
    layout = Layout(
        height=video.height,
        width=video.width,
        interleaved=interleaved,
        colorspace=int(video.colorspace),
        full_range=name == "yuvj420p" or video.color_range == ColorRange.JPEG,
        orientation=frame.orientation,
    )
    luma, *chroma = video.planes
    pairs = [_pairs(plane) for plane in chroma] if interleaved else [view(p) for p in chroma]
    return Planes(layout, (view(luma), *pairs))


def view(plane: VideoPlane) -> NDArray[np.uint8]:
    """Return the (H, W) uint8 pixels of an 8-bit plane, sharing its memory."""
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]


def packed_rgb(video: av.VideoFrame) -> NDArray[np.uint8]:
    """Return the (H, W, 3) uint8 pixels of an rgb24 frame, sharing its memory; not contiguous."""
    plane = video.planes[0]
    shape, strides = (plane.height, plane.width, 3), (plane.line_size, 3, 1)
    return np.ndarray(shape, np.uint8, memoryview(plane), strides=strides)


def _pairs(plane: VideoPlane) -> NDArray[np.uint8]:
    """Return a plane of W byte pairs per row as (H, 2 W) uint8, sharing its memory."""
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : 2 * plane.width]


def _is_yuv(video: av.VideoFrame) -> bool:
    """Whether a frame is stored as luma and chroma, not as RGB, gray or palette."""
    name = video.format.name
    return not video.format.is_rgb and not name.startswith(("gray", "pal8", "mono", "ya"))


def to_yuv420(video: av.VideoFrame, reformatter: VideoReformatter) -> av.VideoFrame:
    """Return `video` as tagged 8-bit planar 4:2:0; the same frame if it already is.

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


def turn_upright(video: av.VideoFrame, orientation: Orientation) -> av.VideoFrame:
    """Return an 8-bit planar frame as it is meant to be seen."""
    if orientation == UPRIGHT:
        return video
    turned = [upright(view(plane), orientation) for plane in video.planes]
    height, width = turned[0].shape
    result = av.VideoFrame(width, height, video.format.name)
    for plane, pixels in zip(result.planes, turned, strict=True):
        view(plane)[:] = pixels
    result.pts, result.time_base = video.pts, video.time_base
    result.colorspace, result.color_range = video.colorspace, video.color_range
    return result


def turned_upright(video: av.VideoFrame, orientation: Orientation) -> av.VideoFrame:
    """Return a frame of any pixel format as it is meant to be seen.

    Turned YUV becomes 8-bit 4:4:4 with the same matrix and range, anything else RGB.
    """
    if orientation == UPRIGHT:
        return video
    if not _is_yuv(video):
        rgb = np.asarray(video.to_ndarray(format="rgb24"), np.uint8)
        return av.VideoFrame.from_ndarray(upright(rgb, orientation), format="rgb24")
    full = "j" in video.format.name or video.color_range == ColorRange.JPEG
    kept = ColorRange.JPEG if full else ColorRange.MPEG
    whole = video.reformat(format="yuv444p", src_color_range=kept, dst_color_range=kept)
    whole.colorspace, whole.color_range = video.colorspace, kept if full else video.color_range
    return turn_upright(whole, orientation)


def fitting_size(video: av.VideoFrame, width: int, height: int) -> tuple[int, int]:
    """Return the largest even width and height of the aspect of `video` within a size."""
    scale = min(width / video.width, height / video.height)
    fitting = (2 * round(side * scale / 2) for side in (video.width, video.height))
    across, down = (
        max(2, min(side, most)) for side, most in zip(fitting, (width, height), strict=True)
    )
    return across, down


def padded(video: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    """Return an 8-bit planar frame in the middle of a black one; the same frame if it fills it."""
    if (video.width, video.height) == (width, height):
        return video
    full = video.format.name.startswith("gray") or video.color_range == ColorRange.JPEG
    result = av.VideoFrame(width, height, video.format.name)
    for index, (plane, part) in enumerate(zip(result.planes, video.planes, strict=True)):
        whole, pixels = view(plane), view(part)
        whole[:] = 128 if index else (0 if full else 16)
        top, left = ((a - b) // 2 for a, b in zip(whole.shape, pixels.shape, strict=True))
        whole[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    result.colorspace, result.color_range = video.colorspace, video.color_range
    return result
