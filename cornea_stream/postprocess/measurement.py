"""Measurements of one mask: area, centroid and fitted ellipse, in pixels of the upright frame."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import NamedTuple

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

    def to_dict(self) -> dict[str, float]:
        """Return the values by their names, as in metrics.csv."""
        return asdict(self)


class Ellipse(NamedTuple):
    """An ellipse as OpenCV describes it: `cv2.ellipse(image, ellipse, color)` draws it.

    `center` is (x, y) and `axes` the whole lengths (major, minor), in pixels. `angle_deg` is that
    of `Measurement`.
    """

    center: tuple[float, float]
    axes: tuple[float, float]
    angle_deg: float


def measure(mask: Image | NDArray[np.bool_]) -> Measurement | None:
    """Measure the cornea in `mask` ((H, W) uint8, 0 outside, or bool); None if it is empty.

    Only the largest region is measured. The ellipse is fitted by direct least squares (Fitzgibbon
    et al. 1999) to the contour points that are not on the frame border, so that a cornea cut by
    the border keeps its true axes. If there are too few points, the minimum-area rectangle is
    used.
    Raises UsageError if it is not a mask.

    Examples:
        >>> mask = np.zeros((120, 160), np.uint8)
        >>> found = measure(cv2.circle(mask, (80, 60), 30, 255, cv2.FILLED))
        >>> round(found.centroid_x), round(found.centroid_y), round(found.major_axis_px, -1)
        (80, 60, 60.0)

    """
    region, outline = _largest(checked_mask(mask))
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


def fit_ellipse(mask: Image) -> Ellipse | None:
    """Return the ellipse whose axes `measure` gives, or None without a cornea."""
    _, outline = _largest(mask)
    return _ellipse(outline, mask.shape) if len(outline) else None


def checked_mask(mask: object) -> Image:
    """Return a mask as uint8, not copied if it is. Raises UsageError if it is not a mask."""
    if not isinstance(mask, np.ndarray):
        raise wrong_type("mask", mask, "an (H, W) uint8 or bool array, such as found.mask")
    if mask.ndim != 2 or mask.dtype not in (np.uint8, np.bool_) or mask.size == 0:
        raise UsageError(
            f"mask must be (H, W) uint8 or bool: {mask.shape} {mask.dtype}: try found.mask"
        )
    return mask.astype(np.uint8, copy=False)


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


def _ellipse(outline: NDArray[np.int32], shape: tuple[int, ...]) -> Ellipse:
    height, width = shape[:2]
    x, y = outline[:, 0], outline[:, 1]
    free = outline[(x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)]
    if len(free) >= _MIN_FIT_POINTS:
        center, axes, angle = cv2.fitEllipseDirect(free)
        # The contour runs through the centers of the border pixels, half a pixel inside the edge.
        axes = (axes[0] + 1, axes[1] + 1)
    else:
        center, axes, angle = cv2.minAreaRect(outline)
        axes = (axes[0] + 1, axes[1] + 1)
    # OpenCV returns the angle of the first axis.
    if axes[0] < axes[1]:
        axes, angle = axes[::-1], angle + 90
    middle = float(center[0]), float(center[1])
    return Ellipse(middle, (float(axes[0]), float(axes[1])), float(angle % 180))
