"""Shapes of annotation tools, drawn into masks.

Coordinates are pixels, (0, 0) the top left corner of the image, as in COCO.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cornea_stream.errors import require
from cornea_train.formats.base import Mask, Shape
from cornea_train.formats.files import BadAnnotationError

MARGIN_SHARE = 0.25
"""Fitted outlines can overshoot the frame slightly; beyond this, the annotation is wrong."""
_ELLIPSE_POINTS = 256
# An ellipse that is cut by the frame overshoots it; one this much larger is a mistake.
_MAX_ELLIPSE = 4
_ROWS_AT_ONCE = 256


def polygon(values: Any, *, scale: tuple[float, float] = (1, 1)) -> Shape:
    """Return the polygon through points (x, y), or a flat list of them, times `scale`."""
    return partial(_fill_polygon, values=values, scale=scale)


def rectangle(x: float, y: float, width: float, height: float, *, turn_deg: float = 0) -> Shape:
    """Return the rectangle with corner (x, y), turned clockwise about that corner."""
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
    return polygon(corners @ _turn(turn_deg).T + (x, y))


def ellipse(x: float, y: float, radius_x: float, radius_y: float, *, turn_deg: float = 0) -> Shape:
    """Return the ellipse with center (x, y), turned clockwise about it."""
    return partial(_fill_ellipse, center=(x, y), radii=(radius_x, radius_y), turn_deg=turn_deg)


def run_lengths(counts: Any, size: tuple[int, int], *, by_columns: bool = True) -> Shape:
    """Return the mask of COCO's run lengths: a list, or their compressed form as a string.

    `size` is the (height, width) that they cover, from the top left corner of the image.
    """
    return partial(_fill_runs, counts=counts, size=size, at=(0, 0), by_columns=by_columns)


def patch_runs(counts: Sequence[int], size: tuple[int, int], at: tuple[int, int]) -> Shape:
    """Return the mask of run lengths, row by row, that cover a box with corner `at` (x, y)."""
    return partial(_fill_runs, counts=counts, size=size, at=at, by_columns=False)


def pixels(drawn: NDArray[np.bool_]) -> Shape:
    """Return the (H, W) pixels of a mask of the whole image."""
    return partial(_set, drawn=drawn)


def checked_points(values: Any, shape: tuple[int, ...], margin: float) -> NDArray[np.float64]:
    """Return (N, 2) points, N >= 3, finite and at most `margin` frames outside of the frame.

    Raises BadAnnotationError.
    """
    points = np.asarray(values, float)
    if points.ndim == 1 and points.size % 2 == 0:
        points = points.reshape(-1, 2)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
        raise BadAnnotationError(f"a polygon needs at least 3 points, got {len(points)}")
    limit = np.array(shape[1::-1], float)
    outside = (points < -margin * limit) | (points > (1 + margin) * limit)
    if not np.isfinite(points).all() or outside.any():
        raise BadAnnotationError("the polygon lies outside the frame")
    return points


def crosses_itself(points: NDArray[Any]) -> bool:
    """Whether two non-adjacent sides of the closed (N, 2) polygon cross."""
    ring = points.astype(float)
    ring = ring[np.any(ring != np.roll(ring, 1, axis=0), axis=1)]
    if len(ring) < 4:
        return False
    following = np.roll(ring, -1, axis=0)

    def side(
        a: NDArray[np.float64], b: NDArray[np.float64], q: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the side of the line a[i]-b[i] that q[j] is on, for all i and j."""
        along, offset = (b - a)[:, None], q[None] - a[:, None]
        return np.asarray(np.sign(along[..., 0] * offset[..., 1] - along[..., 1] * offset[..., 0]))

    # Sides i and j cross if each separates the end points of the other. Contours of masks have
    # thousands of points, so not all sides at once.
    for first in range(0, len(ring), _ROWS_AT_ONCE):
        a, b = ring[first : first + _ROWS_AT_ONCE], following[first : first + _ROWS_AT_ONCE]
        separates = side(a, b, ring) * side(a, b, following) < 0
        is_separated = side(ring, following, a) * side(ring, following, b) < 0
        if (separates & is_separated.T).any():
            return True
    return False


def _turn(degrees: float) -> NDArray[np.float64]:
    angle = np.radians(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _fill_polygon(
    mask: Mask, values: Any, scale: tuple[float, float], margin: float = MARGIN_SHARE
) -> None:
    points = checked_points(np.asarray(values, float).reshape(-1, 2) * scale, mask.shape, margin)
    if crosses_itself(points):
        raise BadAnnotationError("the polygon crosses itself")
    require("pycocotools", "train", "drawing polygons")
    from pycocotools import mask as coco_mask

    runs = coco_mask.frPyObjects([points.ravel().tolist()], *mask.shape)
    mask[coco_mask.decode(runs)[..., 0] > 0] = 255


def _fill_ellipse(
    mask: Mask, center: tuple[float, float], radii: tuple[float, float], turn_deg: float
) -> None:
    if not 0 < min(radii) <= max(radii) <= _MAX_ELLIPSE * max(mask.shape):
        raise BadAnnotationError(f"the ellipse has radii {radii[0]:g} and {radii[1]:g}")
    angles = np.linspace(0, 2 * np.pi, _ELLIPSE_POINTS, endpoint=False)
    # Of the inscribed polygon the area is a little too small.
    grow = np.sqrt(2 * np.pi / _ELLIPSE_POINTS / np.sin(2 * np.pi / _ELLIPSE_POINTS))
    ring = np.stack([radii[0] * np.cos(angles), radii[1] * np.sin(angles)], axis=1) * grow
    _fill_polygon(mask, ring @ _turn(turn_deg).T + center, (1, 1), 2 * _MAX_ELLIPSE)


def _fill_runs(
    mask: Mask, counts: Any, size: tuple[int, int], at: tuple[int, int], by_columns: bool
) -> None:
    # pycocotools returns uninitialized memory for run lengths that end early.
    lengths = np.array(_decompressed(counts) if isinstance(counts, str | bytes) else counts)
    height, width = size
    if min(height, width) <= 0 or lengths.dtype.kind not in "iu" or (lengths < 0).any():
        raise BadAnnotationError("the run lengths are not lengths")
    x, y = at
    if x < 0 or y < 0 or y + height > mask.shape[0] or x + width > mask.shape[1]:
        raise BadAnnotationError("the mask lies outside the frame")
    if int(lengths.sum()) != height * width:
        raise BadAnnotationError(
            f"the run lengths cover {int(lengths.sum())} pixels instead of {height * width}"
        )
    values = np.repeat(np.arange(len(lengths)) % 2 > 0, lengths)
    drawn = values.reshape(width, height).T if by_columns else values.reshape(height, width)
    mask[y : y + height, x : x + width][drawn] = 255


def _decompressed(text: str | bytes) -> list[int]:
    """Return the run lengths of COCO's compressed form: 6 bits per byte, lowest first.

    From the fourth on, a value is the difference to the value before the last one.
    """
    lengths: list[int] = []
    value = bits = 0
    for byte in text.encode() if isinstance(text, str) else text:
        code = byte - 48
        if not 0 <= code < 64 or bits > 30:
            raise BadAnnotationError("the compressed run lengths are damaged")
        value |= (code & 31) << bits
        bits += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << bits
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value = bits = 0
    if bits:
        raise BadAnnotationError("the compressed run lengths are damaged")
    return lengths


def _set(mask: Mask, drawn: NDArray[np.bool_]) -> None:
    mask[drawn] = 255


def enclosed(points: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which pixels of a (height, width) image have their center inside a polygon.

    `points`: (N, 2) x and y; centers are whole numbers. Each row is cut by the edges that cross it;
    a pixel with an odd number of cuts at its left is inside.
    """
    x, y = points.T[..., None]
    next_x, next_y = np.roll(x, -1), np.roll(y, -1)
    rows = np.arange(size[0])
    edge, row = np.nonzero((y <= rows) != (next_y <= rows))
    share = (row - y[edge, 0]) / (next_y - y)[edge, 0]
    cut = x[edge, 0] + share * (next_x - x)[edge, 0]
    cuts = np.zeros((size[0], size[1] + 1), np.int32)
    np.add.at(cuts, (row, np.clip(np.ceil(cut), 0, size[1]).astype(np.intp)), 1)
    return np.asarray(np.cumsum(cuts[:, :-1], axis=1) % 2 == 1)
