"""Measurements of one mask: area, centroid and fitted ellipse, in pixels of the upright frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cornea_stream.errors import UsageError, wrong_type
from cornea_stream.media.frame import Image

# Five points determine an ellipse; with fewer than this many, noise dominates.
_MIN_FIT_POINTS = 20


@dataclass(frozen=True, slots=True)
class Measurement:
    """Size and position of a cornea in pixels; `angle_deg` is that of the major axis.

    The angle is from the x axis toward the y axis (clockwise on the screen), in [0, 180).
    """

    area_px: int
    area_fraction: float
    centroid_x: float
    centroid_y: float
    major_axis_px: float
    minor_axis_px: float
    angle_deg: float


def measure(mask: Image | NDArray[np.bool_]) -> Measurement | None:
    """Measure the cornea in `mask` ((H, W) uint8, 0 outside, or bool); None if it is empty.

    Only the largest region is measured. The ellipse is fitted by direct least squares (Fitzgibbon
    et al. 1999) to the contour points that are not on the frame border, so that a cornea cut by
    the border keeps its true axes. If there are too few points, the minimum-area rectangle is
    used.
    Raises UsageError if it is not a mask.
    """
    if not isinstance(mask, np.ndarray):
        raise wrong_type("mask", mask, "an (H, W) uint8 or bool array")
    if mask.ndim != 2 or mask.dtype not in (np.uint8, np.bool_):
        raise UsageError(f"not a mask: {mask.shape} {mask.dtype}: give (H, W) uint8 or bool")
    region, outline = _largest(mask.astype(np.uint8, copy=False))
    area = cv2.countNonZero(region)
    if area == 0:
        return None
    moments = cv2.moments(region, binaryImage=True)
    _, (major, minor), angle = _ellipse(outline, mask.shape)
    return Measurement(
        area_px=area,
        area_fraction=area / mask.size,
        centroid_x=moments["m10"] / area,
        centroid_y=moments["m01"] / area,
        major_axis_px=major,
        minor_axis_px=minor,
        angle_deg=angle,
    )


def _largest(mask: Image) -> tuple[Image, NDArray[np.int32]]:
    """Return the region with the most pixels, and its (N, 2) contour."""
    contours, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return mask, np.empty((0, 2), np.int32)
    outlines = [c for c, (*_, parent) in zip(contours, tree[0], strict=True) if parent < 0]
    if len(outlines) > 1:
        _, labels, counts, _ = cv2.connectedComponentsWithStats(mask)
        largest = 1 + np.argmax(counts[1:, cv2.CC_STAT_AREA])
        return _largest((labels == largest).astype(np.uint8))
    return mask, np.asarray(outlines[0][:, 0], np.int32)


def fit_ellipse(mask: Image) -> tuple[tuple[float, float], tuple[float, float], float] | None:
    """Return center, (major, minor) axis and angle of the ellipse that `measure` fits.

    The center is in pixels from the corner of the image: the first pixel's is (0.5, 0.5).
    """
    _, outline = _largest(mask)
    if not len(outline):
        return None
    (x, y), axes, angle = _ellipse(outline, mask.shape)
    return (x + 0.5, y + 0.5), axes, angle


def _ellipse(
    outline: NDArray[np.int32], shape: tuple[int, ...]
) -> tuple[tuple[float, float], tuple[float, float], float]:
    height, width = shape[:2]
    x, y = outline[:, 0], outline[:, 1]
    free = outline[(x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)]
    fit = cv2.fitEllipseDirect(free) if len(free) >= _MIN_FIT_POINTS else cv2.minAreaRect(outline)
    center, axes, angle = fit
    # The contour runs through the centers of the border pixels, half a pixel inside the edge.
    axes = (axes[0] + 1, axes[1] + 1)
    # OpenCV returns the angle of the first axis.
    if axes[0] < axes[1]:
        axes, angle = axes[::-1], angle + 90
    return (
        (float(center[0]), float(center[1])),
        (float(axes[0]), float(axes[1])),
        float(angle % 180),
    )
