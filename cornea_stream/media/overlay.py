"""Paint the cornea, as an area or an outline, into a frame, and add the legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Protocol

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from cornea_stream.errors import UsageError, check_flag, check_number
from cornea_stream.media.class_name import CLASS_NAME
from cornea_stream.media.color import RGB, Color, parse_color, rgb_to_yuv
from cornea_stream.media.fields import deinterlace
from cornea_stream.media.frame import Frame, Image
from cornea_stream.media.legend import even, legend, legend_yuv
from cornea_stream.media.orientation import Orientation, as_stored
from cornea_stream.media.planes import to_yuv420, view

_FILLED_OPACITY, _DRAWN_OPACITY = 0.5, 1.0


@dataclass(frozen=True, slots=True)
class OverlayStyle:
    """How the cornea is painted: as an area, or with `contour` as an outline only.

    `color` is a name, "#rrggbb" or (red, green, blue), 0–255 each. `opacity` is 0–1; None is 0.5
    for an area and 1 for an outline. `thickness` of the outline is in pixels; None fits it to the
    height of the frame. `label` adds the legend.
    Raises UsageError for numbers out of range, unknown colors, and a thickness without `contour`.

    Examples:
        >>> OverlayStyle("cyan", contour=True, label=False).rgb
        (0, 255, 255)

    """

    color: Color = "green"
    opacity: float | None = None
    contour: bool = False
    thickness: int | None = None
    label: bool = True

    def __post_init__(self) -> None:
        parse_color(self.color)
        check_flag("contour", self.contour)
        check_flag("label", self.label)
        if self.opacity is not None:
            check_number("opacity", self.opacity, 0, 1, example=0.5)
        if self.thickness is not None:
            check_number("thickness", self.thickness, 1, 100, example=3)
            if not self.contour:
                raise UsageError("thickness is for an outline: use contour=True, or leave it out")

    @property
    def rgb(self) -> RGB:
        """The color as red, green and blue, 0–255 each."""
        return parse_color(self.color)

    @property
    def share(self) -> float:
        """The part of the color in a painted pixel, 0–1."""
        if self.opacity is None:
            return _DRAWN_OPACITY if self.contour else _FILLED_OPACITY
        return self.opacity

    def line_width(self, frame_height: int) -> int:
        """Return the thickness of the outline in pixels on a frame of this height.

        Raises UsageError if `frame_height` is not a positive integer.
        """
        check_number("frame_height", frame_height, 1, example=1080)
        return self.thickness or max(2, round(frame_height / 360))


class Segmented(Protocol):
    """What is painted: a frame with its mask, as `Segmentation` is."""

    @property
    def frame(self) -> Frame:
        """The frame."""
        ...

    @property
    def mask(self) -> Image:
        """(H, W) uint8 of the size of the upright frame, 255 on the structure and 0 elsewhere."""
        ...

    @property
    def class_name(self) -> str:
        """The name of the structure."""
        ...


def paint_rgb(segmentation: Segmented, style: OverlayStyle) -> Image:
    """Return the upright frame as (H, W, 3) RGB with cornea and legend painted on."""
    return paint_image(segmentation.frame.rgb(), segmentation.mask, style, segmentation.class_name)


def paint_image(
    image: Image, mask: Image, style: OverlayStyle, class_name: str = CLASS_NAME
) -> Image:
    """Return (H, W, 3) RGB with cornea and legend painted on; `image` is not modified.

    `mask` is (H, W) uint8 of the size of the image, 255 on the cornea and 0 elsewhere.
    `class_name` is written beside the swatch of the legend.
    """
    channels = [np.ascontiguousarray(image[..., i]).copy() for i in range(3)]
    _blend(channels, _cover(mask, style, image.shape[0]), style.rgb, style.share)
    painted = np.dstack(channels)
    if style.label:
        box = legend(image.shape[0], style.rgb, class_name)
        height, width = min(box.shape[0], image.shape[0]), min(box.shape[1], image.shape[1])
        painted[:height, :width] = box[:height, :width]
    return painted


class YuvPainter:
    """Paint segmentations in YUV, without converting to RGB; return new 8-bit 4:2:0 frames.

    The source frame is not modified, because decoders share buffers between frames. Sizes are
    padded to even numbers, as 4:2:0 encoders require, by repeating the last row or column. With
    `keep_fields`, interlaced frames stay interlaced.
    Not thread-safe: it keeps the state of the scaler.
    """

    def __init__(self, style: OverlayStyle, *, keep_fields: bool = False) -> None:
        self.style = style
        self._keep_fields = keep_fields
        self._reformatter = VideoReformatter()

    def __call__(self, segmentation: Segmented) -> av.VideoFrame:
        """Return a painted yuv420p frame with the timestamps and color tags of the source frame."""
        frame, style = segmentation.frame, self.style
        source = to_yuv420(frame.video, self._reformatter)
        painted = _copy_to_even_size(source)
        planes = [view(plane) for plane in painted.planes]
        if frame.first_field and not self._keep_fields:
            deinterlace(planes, frame.first_field)
        tags = int(source.colorspace), int(source.color_range)
        orientation = frame.orientation
        mask = _pad(as_stored(segmentation.mask, orientation), planes[0].shape)
        height = frame.size[0]
        _blend(planes, _cover(mask, style, height), rgb_to_yuv(style.rgb, *tags), style.share)
        if style.label:
            patches = legend_yuv(height, style.rgb, segmentation.class_name, orientation, *tags)
            for plane, patch in zip(planes, patches, strict=True):
                _paste_in_corner(plane, patch, orientation)
        return painted


@dataclass(frozen=True, slots=True)
class _Cover:
    """How much of each pixel is painted, 0–255, in the box with even sides that is painted."""

    share: Image
    top: int
    left: int
    columns: int
    """Columns of the whole image."""


def _cover(mask: Image, style: OverlayStyle, frame_height: int) -> _Cover | None:
    """Return what of the image is painted, or None without a cornea."""
    rows = np.flatnonzero(mask.max(axis=1))
    if not rows.size:
        return None
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].max(axis=0))
    width = style.line_width(frame_height) if style.contour else 0
    top, left = max(0, int(rows[0]) - width) & ~1, max(0, int(columns[0]) - width) & ~1
    bottom, right = (even(int(last[-1]) + 1 + width) for last in (rows, columns))
    part = mask[top:bottom, left:right]
    if style.contour:
        share = _outline(part, width)
    else:
        # Pixels along the edge take part of the color, by how much around them is inside.
        share = np.asarray(cv2.bitwise_and(cv2.blur(part, (3, 3)), part), np.uint8)
    return _Cover(share, top, left, mask.shape[1])


def _outline(mask: Image, width: int) -> Image:
    """Return (H, W) uint8 with the antialiased edges of all regions and holes, 255 on them.

    Where the mask touches the border of the image there is no edge; specks of a few pixels have
    none either. `cv2.polylines` draws antialiased lines up to twice as thick as asked.
    """
    spread, distances = _edge_profile(width)
    blurred = cv2.GaussianBlur(mask, (0, 0), spread, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.LUT(blurred, distances), np.uint8)


@lru_cache(maxsize=8)
def _edge_profile(width: int) -> tuple[float, Image]:
    """Return the sigma of a blur, and how much of a pixel lies on the line by its blurred value.

    Across an edge, a blurred mask rises as the normal distribution does, so that the value of a
    pixel tells its distance to the edge.
    """
    normal = NormalDist(0, width / 2 + 0.5)
    distance = np.abs([normal.inv_cdf((value + 0.5) / 256) for value in range(256)])
    return normal.stdev, np.rint(255 * np.clip(width / 2 + 0.5 - distance, 0, 1)).astype(np.uint8)


def _blend(
    planes: Sequence[NDArray[np.uint8]],
    cover: _Cover | None,
    values: Sequence[float],
    opacity: float,
) -> None:
    """Blend one value per plane into the pixels of `cover`, in place.

    Planes have the size of the mask or, for chroma, half of it; the mask then has even sides.
    """
    if cover is None:
        return
    for plane, value in zip(planes, values, strict=True):
        step = cover.columns // plane.shape[1]
        height, width = (length // step for length in cover.share.shape)
        top, left = cover.top // step, cover.left // step
        region = plane[top : top + height, left : left + width]
        size = (width, height)
        share = (
            cover.share
            if step == 1
            else cv2.resize(cover.share, size, interpolation=cv2.INTER_AREA)
        )
        blended = cv2.convertScaleAbs(region, alpha=1 - opacity, beta=value * opacity)
        # Of a flat array of truth values, NumPy finds the few that are set four times faster.
        edge = np.divmod(np.flatnonzero(cv2.inRange(share, 1, 254) != 0), width)
        before, weight = region[edge], share[edge] / np.float32(255)
        cv2.copyTo(blended, cv2.threshold(share, 254, 255, cv2.THRESH_BINARY)[1], region)
        region[edge] = np.rint(before + (blended[edge] - before.astype(np.float32)) * weight)


def _copy_to_even_size(video: av.VideoFrame) -> av.VideoFrame:
    width, height = video.width + video.width % 2, video.height + video.height % 2
    copy = av.VideoFrame(width, height, "yuv420p")
    for source, target in zip(video.planes, copy.planes, strict=True):
        pixels = view(target)
        pixels[:] = _pad(view(source), pixels.shape)
    copy.pts, copy.time_base = video.pts, video.time_base
    copy.colorspace, copy.color_range = video.colorspace, video.color_range
    return copy


def _pad(plane: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    missing = [(0, want - have) for want, have in zip(shape, plane.shape, strict=True)]
    return plane if plane.shape == tuple(shape) else np.pad(plane, missing, "edge")


def _paste_in_corner(
    plane: NDArray[np.uint8], patch: NDArray[np.uint8], orientation: Orientation
) -> None:
    """Paste at the corner of the stored plane that is the top left of the upright frame."""
    height, width = min(patch.shape[0], plane.shape[0]), min(patch.shape[1], plane.shape[1])
    bottom, right = orientation.corner
    rows = slice(-height, None) if bottom else slice(height)
    columns = slice(-width, None) if right else slice(width)
    plane[rows, columns] = patch[rows, columns]
