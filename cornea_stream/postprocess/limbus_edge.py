"""Moves an outline onto the steepest rise of brightness nearby.

Around a cornea the frame becomes brighter, from the iris to the sclera. The outline is moved to
where it does so most steeply nearby, as in Daugman's search for the edges of an iris (1993, "High
Confidence Visual Recognition of Persons by a Test of Statistical Independence", IEEE TPAMI 15), but
from a place that is known already, and although instruments cover a part of it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cornea_stream.media.frame import Image
from cornea_stream.postprocess.unroll import Floats, modes_of, unrolled

MAX_SHIFT = 0.1
"""If any part of the outline would move further, in radii, it stays: that is another edge."""
SHIFT_OF_SUPPORT = 0.17
"""Nor does it move further than this share of the mean steepness along the new outline, which is
1 if the limbus is clear all around: the further it would move, the clearer the limbus has to be."""
_WINDOWS = (0.02, 0.02, 0.015, 0.015)
"""Standard deviations of the search window, step by step, in radii."""
_STEP = 0.02
_OFFSETS = (np.arange(-8, 9) * _STEP).astype(np.float32)
"""Distances from the outline at which the frame is looked at, in radii."""
_BLUR = 0.02
"""Standard deviation, in radii, of the blur before: less than the width of a sharp limbus."""
_CLEAR = 0.6
"""An edge counts fully if it is as clear as in this share of the directions."""
_FAINT = 4.0
"""Rise of brightness over two steps, of 255, that noise makes."""
_STIFFNESS = 0.5 * np.diag([1.0, 2.0, 2.0, 4.0, 4.0])
"""Resistance to a change of size, place and axes; a clear edge in one direction weighs about 2."""
_STRIDE = 3
"""One of so many directions is looked at."""


def on_edge(
    brightness: Image,
    center: Floats,
    directions: Floats,
    radii: Floats,
    in_view: NDArray[np.bool_],
) -> Floats:
    """Return (N,) distances of the edge from `center` (x, y), or `radii` if it cannot be seen.

    `brightness` is (h, w) uint8 and `directions` (N, 2) unit vectors all around, evenly spaced.
    `radii` (N,) are the distances of the outline in pixels; it is looked at where it is `in_view`
    (N,). Size, place and the two axes change, so that an ellipse remains nearly one.
    """
    rows = np.flatnonzero(in_view)[::_STRIDE]
    rise = _rise(brightness, center, directions[rows], radii[rows])
    modes = modes_of(len(radii))
    seen, change = modes[rows], np.zeros(modes.shape[1])
    for window in _WINDOWS:
        distance = (_OFFSETS - (seen @ change)[:, None].astype(np.float32)) / np.float32(window)
        near = np.exp(-0.5 * distance * distance)
        weights = rise * near
        weighted = seen.T * weights.sum(axis=1)
        change = np.linalg.solve(weighted @ seen + _STIFFNESS, seen.T @ (weights @ _OFFSETS))
    shift, support = modes @ change, weights.sum() / near.sum()
    allowed = min(MAX_SHIFT, SHIFT_OF_SUPPORT * support)
    return radii * (1 + shift) if np.abs(shift).max() <= allowed else radii


def _rise(
    brightness: Image, center: Floats, directions: Floats, radii: Floats
) -> NDArray[np.float32]:
    """Return how much brighter it becomes at each of `_OFFSETS`, (N, 17), of 1 for a clear edge.

    The edges of instruments count no more than a clear limbus.
    """
    stretched = 1 + np.concatenate([[_OFFSETS[0] - _STEP], _OFFSETS, [_OFFSETS[-1] + _STEP]])
    reach = np.multiply.outer(radii, stretched)
    blur = max(0.5, _BLUR * float(radii.mean()))
    around = reach[:, -1].max() + 3 * blur + 1
    low, high = np.maximum(center - around, 0).astype(int), (center + around + 1).astype(int)
    box = brightness[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    smooth = np.asarray(cv2.GaussianBlur(box, (0, 0), blur), np.float32)
    values, _ = unrolled(smooth, center - low, directions, reach)
    rise = np.maximum(values[:, 2:] - values[:, :-2], 0)
    usual = int(_CLEAR * len(rise))
    clear = np.partition(rise.max(axis=1), usual)[usual] + _FAINT
    return np.asarray(np.minimum(rise / clear, 1), np.float32)
