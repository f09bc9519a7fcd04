"""Paint the cornea: blend a color into the frame where the mask is set, and add the legend."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from cornea_stream.media.color import RGB, rgb_to_yuv
from cornea_stream.media.frame import Image, Segmentation
from cornea_stream.media.orientation import Orientation, as_stored
from cornea_stream.media.planes import to_yuv420, view


def paint_rgb(segmentation: Segmentation, color: RGB, opacity: float) -> Image:
    """Return the upright frame as (H, W, 3) RGB with cornea and legend painted on."""
    image = segmentation.frame.rgb()
    red, green, blue = (np.ascontiguousarray(image[..., i]) for i in range(3))
    _blend((red, green, blue), segmentation.mask, color, opacity)
    image = np.dstack((red, green, blue))
    legend = _legend(image.shape[0], color, segmentation.class_name)
    height, width = min(legend.shape[0], image.shape[0]), min(legend.shape[1], image.shape[1])
    image[:height, :width] = legend[:height, :width]
    return image


class YuvPainter:
    """Paint segmentations in YUV, without converting to RGB; return new 8-bit 4:2:0 frames.

    The source frame is not modified, because decoders share buffers between frames. Sizes are
    padded to even numbers, as 4:2:0 encoders require, by repeating the last row or column.
    Not thread-safe: it keeps the state of the scaler.
    """

    def __init__(self, color: RGB, opacity: float) -> None:
        self.color = color
        self.opacity = opacity
        self._reformatter = VideoReformatter()

    def __call__(self, segmentation: Segmentation) -> av.VideoFrame:
        """Return a painted yuv420p frame with the timestamps and color tags of the source frame."""
        frame = segmentation.frame
        source = to_yuv420(frame.video, self._reformatter)
        painted = _copy_to_even_size(source)
        planes = [view(plane) for plane in painted.planes]
        tags = int(source.colorspace), int(source.color_range)
        values = rgb_to_yuv(self.color, *tags)
        orientation = frame.orientation
        mask = _pad(as_stored(segmentation.mask, orientation), planes[0].shape)
        _blend(planes, mask, values, self.opacity)
        label = segmentation.class_name
        legend = _legend_yuv(frame.size[0], self.color, label, orientation, *tags)
        for plane, patch in zip(planes, legend, strict=True):
            _paste_in_corner(plane, patch, orientation)
        return painted


def _blend(
    planes: Sequence[NDArray[np.uint8]], mask: Image, values: Sequence[float], opacity: float
) -> None:
    """Blend one value per plane into the pixels where `mask` is set, in place.

    Planes have the size of the mask or, for chroma, half of it; the mask then has even sides.
    """
    rows = np.flatnonzero(mask.max(axis=1))
    if not rows.size:
        return
    top, bottom = int(rows[0]) & ~1, _even(int(rows[-1]) + 1)
    columns = np.flatnonzero(mask[top:bottom].max(axis=0))
    left, right = int(columns[0]) & ~1, _even(int(columns[-1]) + 1)
    part = mask[top:bottom, left:right]
    # Pixels along the edge take part of the color, by how much of what is around them is inside.
    cover = cv2.bitwise_and(cv2.blur(part, (3, 3)), part)
    for plane, value in zip(planes, values, strict=True):
        step = mask.shape[1] // plane.shape[1]
        region = plane[top // step : bottom // step, left // step : right // step]
        size = (region.shape[1], region.shape[0])
        share = cover if step == 1 else cv2.resize(cover, size, interpolation=cv2.INTER_AREA)
        blended = cv2.convertScaleAbs(region, alpha=1 - opacity, beta=value * opacity)
        # Of a flat array of truth values, NumPy finds the few that are set four times faster.
        edge = np.divmod(np.flatnonzero(cv2.inRange(share, 1, 254) != 0), size[0])
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


@lru_cache(maxsize=8)
def _legend(frame_height: int, color: RGB, label: str) -> Image:
    """Return the legend box, with even sides and no margin: a color swatch and the label."""
    scale = max(0.35, frame_height / 900)
    thickness = max(1, round(1.6 * scale))
    font = cv2.FONT_HERSHEY_SIMPLEX
    (text_width, text_height), baseline = cv2.getTextSize(label, font, scale, thickness)
    gap = max(3, round(0.6 * text_height))
    height = _even(text_height + baseline + 2 * gap)
    swatch = text_height + baseline
    width = _even(swatch + text_width + 3 * gap)
    box = np.full((height, width, 3), 24, np.uint8)
    cv2.rectangle(box, (gap, gap), (gap + swatch - 1, gap + swatch - 1), color, cv2.FILLED)
    origin = (swatch + 2 * gap, gap + text_height)
    cv2.putText(box, label, origin, font, scale, (255, 255, 255), thickness, cv2.LINE_AA)
    return box


@lru_cache(maxsize=8)
def _legend_yuv(
    frame_height: int,
    color: RGB,
    label: str,
    orientation: Orientation,
    colorspace: int,
    color_range: int,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    box = as_stored(_legend(frame_height, color, label), orientation)
    # RGB -> YUV is affine, so black and the three primaries determine the matrix.
    primaries: list[RGB] = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    offset = np.array(rgb_to_yuv((0, 0, 0), colorspace, color_range), float)
    columns = [np.subtract(rgb_to_yuv(p, colorspace, color_range), offset) / 255 for p in primaries]
    yuv = np.clip(np.rint(box @ np.array(columns) + offset), 0, 255).astype(np.uint8)
    half = (box.shape[1] // 2, box.shape[0] // 2)
    chroma = cv2.resize(yuv, half, interpolation=cv2.INTER_AREA)
    return yuv[..., 0].copy(), chroma[..., 1].copy(), chroma[..., 2].copy()


def _even(length: int) -> int:
    return length + length % 2
