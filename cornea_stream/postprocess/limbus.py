"""Moves an outline onto the limbus, which the picture shows more exactly than the network's grid.

Around a cornea the picture becomes brighter, from the iris to the sclera. The outline is moved to
where it rises most steeply nearby, as in Daugman's search for the edges of an iris (1993, "High
Confidence Visual Recognition of Persons by a Test of Statistical Independence", IEEE TPAMI 15), but
from a place that is known already, and with stretches that instruments cover.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from cornea_stream.media.frame import Image

Floats = NDArray[np.float64]

MIN_SUPPORT = 0.3
"""Mean steepness along the new outline, of 1 for a clear edge all around, below which it stays."""
_WIDTHS = (0.04, 0.03, 0.025, 0.02, 0.02)
"""From how far the outline is drawn at each step, in radii (standard deviations)."""
_STEP = 0.02
_OFFSETS = (np.arange(-8, 9) * _STEP).astype(np.float32)
"""Distances from the outline at which the picture is looked at, in radii."""
_BLUR = 0.02
"""Standard deviation, in radii, of the blur before: less than the width of a sharp limbus."""
_MOST = 0.6
"""Share of the directions in which an edge is at most as clear as one that counts fully."""
_FAINT = 4.0
"""Rise of brightness over two steps, of 255, that noise makes."""
_STIFFNESS = 0.5 * np.diag([1.0, 2.0, 2.0, 4.0, 4.0])
"""Resistance to a change of size, place and shape, as so many directions with a clear edge."""
_STRIDE = 3
"""Every so many directions are looked at."""


def on_limbus(brightness: Image, center: Floats, directions: Floats, radii: Floats) -> Floats:
    """Return (N,) distances of the limbus from `center` (x, y), or `radii` if it cannot be seen.

    `brightness` is (h, w) uint8 and `directions` (N, 2) unit vectors all around, evenly spaced.
    `radii` (N,) are the distances of the outline in pixels. Size, place and the two axes change, so
    that an ellipse remains nearly one.
    """
    part = slice(None, None, _STRIDE)
    rise = _rise(brightness, center, directions[part], radii[part])
    bends = _bends(len(radii))
    seen, change = bends[part], np.zeros(bends.shape[1])
    for width in _WIDTHS:
        distance = (_OFFSETS - (seen @ change)[:, None].astype(np.float32)) / np.float32(width)
        near = np.exp(-0.5 * distance * distance)
        pull = rise * near
        weighted = seen.T * pull.sum(axis=1)
        change = np.linalg.solve(weighted @ seen + _STIFFNESS, seen.T @ (pull @ _OFFSETS))
    support = pull.sum() / near.sum()
    return radii * (1 + bends @ change) if support >= MIN_SUPPORT else radii


def _rise(
    brightness: Image, center: Floats, directions: Floats, radii: Floats
) -> NDArray[np.float32]:
    """Return how much brighter it becomes at each of `_OFFSETS`, (N, 17), of 1 for a clear edge.

    An edge as clear as most of this limbus counts 1, and those of instruments no more than that.
    """
    stretched = 1 + np.concatenate([[_OFFSETS[0] - _STEP], _OFFSETS, [_OFFSETS[-1] + _STEP]])
    reach = np.multiply.outer(radii, stretched)
    blur = max(0.5, _BLUR * float(radii.mean()))
    around = reach[:, -1].max() + 3 * blur + 1
    low, high = np.maximum(center - around, 0).astype(int), (center + around + 1).astype(int)
    part = brightness[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    smooth = cv2.GaussianBlur(part, (0, 0), blur)
    columns, rows = (
        (start + along[:, None] * reach).astype(np.float32)
        for start, along in zip(center - low, directions.T, strict=True)
    )
    values = cv2.remap(smooth, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    rise = np.maximum(values[:, 2:] - values[:, :-2], 0)
    most = int(_MOST * len(rise))
    clear = np.partition(rise.max(axis=1), most)[most] + _FAINT
    return np.asarray(np.minimum(rise / clear, 1), np.float32)


@lru_cache(maxsize=4)
def _bends(count: int) -> Floats:
    """Return the (count, 5) ways in which the outline changes: size, place, axes."""
    angle = np.arange(count) * 2 * np.pi / count
    around = [np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)]
    return np.stack([np.ones(count), *around], axis=1)
