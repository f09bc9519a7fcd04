"""Measurements of one mask: area, centroid and fitted ellipse, in pixels of the upright frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cornea_stream.media.frame import Image

# Five points determine an ellipse; fewer than this many leave it at the mercy of noise.
_MIN_FIT_POINTS = 20


@dataclass(frozen=True, slots=True)
class Measurement:
    """Size and place of a cornea; lengths in pixels, `angle_deg` of the major axis.

    The angle is from the x axis toward the y axis (clockwise on the screen), in [0, 180).
    """

    area_px: int
    area_fraction: float
    centroid_x: float
    centroid_y: float
    major_axis_px: float
    minor_axis_px: float
    angle_deg: float


def measure(mask: Image) -> Measurement | None:
    """Measure the cornea in `mask` ((H, W) uint8, 0 or 255); None when it is empty.

    The ellipse is fitted by direct least squares (Fitzgibbon et al. 1999) to those outline points
    that do not lie on the frame's border, so that a cornea cut by the border keeps its true axes;
    with too few of them it is the minimum-area rectangle's.
    """
    area = cv2.countNonZero(mask)
    if area == 0:
        return None
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(contours, key=cv2.contourArea)[:, 0, :]
    moments = cv2.moments(mask, binaryImage=True)
    major, minor, angle = _ellipse(np.asarray(outline), mask.shape)
    return Measurement(
        area_px=area,
        area_fraction=area / mask.size,
        centroid_x=moments["m10"] / area,
        centroid_y=moments["m01"] / area,
        major_axis_px=major,
        minor_axis_px=minor,
        angle_deg=angle,
    )


def _ellipse(outline: NDArray[np.int32], shape: tuple[int, ...]) -> tuple[float, float, float]:
    height, width = shape[:2]
    x, y = outline[:, 0], outline[:, 1]
    free = outline[(x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)]
    if len(free) >= _MIN_FIT_POINTS:
        _, axes, angle = cv2.fitEllipseDirect(free)
        # The outline runs through the centers of the border pixels, half a pixel inside the edge.
        axes = (axes[0] + 1, axes[1] + 1)
    else:
        _, axes, angle = cv2.minAreaRect(outline)
        axes = (axes[0] + 1, axes[1] + 1)
    # OpenCV gives the angle of the first axis.
    if axes[0] < axes[1]:
        axes, angle = axes[::-1], angle + 90
    return float(axes[0]), float(axes[1]), float(angle % 180)
