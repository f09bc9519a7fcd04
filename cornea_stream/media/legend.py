"""The legend in the corner of an overlay: a swatch of the color, and what it stands for."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from cornea_stream.media.color import RGB, rgb_to_yuv
from cornea_stream.media.frame import Image
from cornea_stream.media.orientation import Orientation, as_stored


@lru_cache(maxsize=8)
def legend(frame_height: int, color: RGB, label: str) -> Image:
    """Return the legend box, with even sides and no margin: a color swatch and the label."""
    scale = max(0.35, frame_height / 900)
    thickness = max(1, round(1.6 * scale))
    font = cv2.FONT_HERSHEY_SIMPLEX
    (text_width, text_height), baseline = cv2.getTextSize(label, font, scale, thickness)
    gap = max(3, round(0.6 * text_height))
    height = even(text_height + baseline + 2 * gap)
    swatch = text_height + baseline
    width = even(swatch + text_width + 3 * gap)
    box = np.full((height, width, 3), 24, np.uint8)
    cv2.rectangle(box, (gap, gap), (gap + swatch - 1, gap + swatch - 1), color, cv2.FILLED)
    origin = (swatch + 2 * gap, gap + text_height)
    cv2.putText(box, label, origin, font, scale, (255, 255, 255), thickness, cv2.LINE_AA)
    return box


@lru_cache(maxsize=8)
def legend_yuv(
    frame_height: int,
    color: RGB,
    label: str,
    orientation: Orientation,
    colorspace: int,
    color_range: int,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the planes of the legend as it is stored, in the color of these tags of FFmpeg."""
    box = as_stored(legend(frame_height, color, label), orientation)
    # RGB -> YUV is affine, so black and the three primaries determine the matrix.
    primaries: list[RGB] = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    offset = np.array(rgb_to_yuv((0, 0, 0), colorspace, color_range), float)
    columns = [np.subtract(rgb_to_yuv(p, colorspace, color_range), offset) / 255 for p in primaries]
    yuv = np.clip(np.rint(box @ np.array(columns) + offset), 0, 255).astype(np.uint8)
    half = (box.shape[1] // 2, box.shape[0] // 2)
    chroma = cv2.resize(yuv, half, interpolation=cv2.INTER_AREA)
    return yuv[..., 0].copy(), chroma[..., 1].copy(), chroma[..., 2].copy()


def even(length: int) -> int:
    """Return the length, or one more if it is odd, as 4:2:0 needs it."""
    return length + length % 2
