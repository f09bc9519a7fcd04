"""Outlines that people edit: an ellipse, a polygon, or none where no cornea is seen.

Coordinates are pixels from the top left corner of the image, so the first pixel's center is
(0.5, 0.5). A pixel belongs to an outline if its center lies inside.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np

from cornea_stream.media.frame import Image
from cornea_stream.postprocess.contours import edge_outlines
from cornea_stream.postprocess.mask import iou
from cornea_stream.postprocess.measurement import fit_ellipse
from cornea_train.formats.shapes import crosses_itself

MAX_POINTS = 1000
_MIN_ELLIPSE_IOU = 0.95
# Nothing that is dragged goes farther than this many frame sizes away.
_FAR = 10


class BadOutlineError(Exception):
    """An outline that cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class NoCornea:
    """There is no cornea in the image."""

    kind: str = "none"

    def mask(self, size: tuple[int, int]) -> Image:
        """Return an empty (height, width) mask."""
        return np.zeros(size, np.uint8)


@dataclass(frozen=True, slots=True)
class Ellipse:
    """Center, half axes and the clockwise angle of the first one from the x axis in degrees."""

    x: float
    y: float
    a: float
    b: float
    angle_deg: float
    kind: str = "ellipse"

    def mask(self, size: tuple[int, int]) -> Image:
        """Return the (height, width) mask, 255 inside."""
        mask = np.zeros(size, np.uint8)
        reach, angle = max(self.a, self.b), math.radians(self.angle_deg)
        left, right = _range(self.x - reach, self.x + reach, size[1])
        top, bottom = _range(self.y - reach, self.y + reach, size[0])
        x = np.arange(left, right) + 0.5 - self.x
        y = np.arange(top, bottom)[:, None] + 0.5 - self.y
        along = (x * math.cos(angle) + y * math.sin(angle)) / self.a
        across = (y * math.cos(angle) - x * math.sin(angle)) / self.b
        mask[top:bottom, left:right][along**2 + across**2 <= 1] = 255
        return mask


@dataclass(frozen=True, slots=True)
class Polygon:
    """Corners (x, y), implicitly closed."""

    points: tuple[tuple[float, float], ...]
    kind: str = "polygon"

    def mask(self, size: tuple[int, int]) -> Image:
        """Return the (height, width) mask, 255 inside."""
        mask = np.zeros(size, np.uint8)
        start = np.array(self.points)
        end = np.roll(start, -1, axis=0)
        for row in range(size[0]):
            y = row + 0.5
            crossing = (start[:, 1] <= y) != (end[:, 1] <= y)
            (x0, y0), (x1, y1) = start[crossing].T, end[crossing].T
            edges = np.sort(x0 + (y - y0) * (x1 - x0) / (y1 - y0))
            first, after = np.clip(np.ceil(edges - 0.5), 0, size[1]).astype(int).reshape(-1, 2).T
            for left, right in zip(first, after, strict=True):
                mask[row, left:right] = 255
        return mask


Outline: TypeAlias = Ellipse | Polygon | NoCornea


def outline_of(mask: Image) -> Outline:
    """Return the outline to begin with: an ellipse, or a polygon if the mask is far from one."""
    fit = fit_ellipse(mask)
    if fit is None:
        return NoCornea()
    (x, y), (first, second), angle = fit
    x, y = x + 0.5, y + 0.5  # from the corner of the image, not from the center of its first pixel
    if 45 < angle <= 135:  # the first axis is the one that is nearly level
        first, second, angle = second, first, angle - 90
    elif angle > 135:
        angle -= 180
    ellipse = Ellipse(x, y, first / 2, second / 2, angle)
    if iou(ellipse.mask((mask.shape[0], mask.shape[1])), mask) >= _MIN_ELLIPSE_IOU:
        return ellipse
    largest = max(edge_outlines(mask), key=lambda p: cv2.contourArea(p.astype(np.float32)))
    return Polygon(tuple((float(px), float(py)) for px, py in largest))


def to_json(outline: Outline) -> dict[str, Any]:
    """Return an outline as JSON values."""
    return asdict(outline)


def from_json(content: Any, size: tuple[int, int]) -> Outline:
    """Return the outline that JSON values describe, for an image of (height, width) `size`.

    Raises BadOutlineError.
    """
    try:
        if content["kind"] == "none":
            return NoCornea()
        if content["kind"] == "ellipse":
            values = _numbers([content[name] for name in ("x", "y", "a", "b")], size)
            if min(values[2:]) < 1:
                raise BadOutlineError("the ellipse is too small: mark the frame as empty if it is")
            x, y, a, b = values
            return Ellipse(x, y, a, b, _numbers([content["angle_deg"]], size)[0])
        if content["kind"] == "polygon":
            return _polygon(content["points"], size)
    except (KeyError, TypeError, ValueError, OverflowError) as err:
        raise BadOutlineError(f"malformed outline: {err!r}") from err
    raise BadOutlineError("malformed outline: its kind is unknown")


def filled(outline: Outline, size: tuple[int, int]) -> Image:
    """Return the mask of an outline that is to be kept.

    Raises BadOutlineError if it covers no pixel, or crosses itself.
    """
    if isinstance(outline, Polygon) and crosses_itself(np.array(outline.points)):
        raise BadOutlineError("the outline crosses itself: move its points apart")
    mask = outline.mask(size)
    if not isinstance(outline, NoCornea) and not mask.any():
        raise BadOutlineError("the outline covers no pixel: mark the frame as empty if it is")
    return mask


def _range(low: float, high: float, length: int) -> tuple[int, int]:
    return max(0, min(math.floor(low), length)), max(0, min(math.ceil(high), length))


def _polygon(values: Any, size: tuple[int, int]) -> Polygon:
    if not 3 <= len(values) <= MAX_POINTS:
        raise BadOutlineError(f"an outline has 3 to {MAX_POINTS} points, not {len(values)}")
    points = [_numbers(point, size) for point in values]
    return Polygon(tuple((x, y) for x, y in points))


def _numbers(values: Any, size: tuple[int, int]) -> list[float]:
    numbers = [float(value) for value in values if not isinstance(value, str | bool)]
    limit = _FAR * max(360, *size)
    if len(numbers) != len(values) or not all(abs(number) <= limit for number in numbers):
        raise BadOutlineError("malformed outline: its numbers are out of range")
    return numbers
