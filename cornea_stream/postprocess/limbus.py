"""Moves an outline onto the limbus, which the frame shows more exactly than the network's grid.

First a small network reads the limbus from the colors around the outline, also where it is soft, in
the dark or covered; then the outline goes onto the steepest rise of brightness nearby.
"""

from __future__ import annotations

import cv2
import numpy as np

from cornea_stream.media.frame import Image
from cornea_stream.postprocess.limbus_edge import on_edge
from cornea_stream.postprocess.limbus_network import DIRECTIONS, read_limbus
from cornea_stream.postprocess.unroll import Floats, modes_of

MAX_SHIFT = 0.25
"""If the network would move any part of the outline further, in radii, it stays."""
MIN_SURE = 0.5
"""So it does if the directions are less sure than this on average: there is nothing to be seen."""
_STIFFNESS = 0.6 * np.diag([1.0, 2.0, 2.0, 6.0, 6.0])
"""Resistance to a change of size, place and axes; a direction that is sure weighs 1."""
_OFF = 0.04
"""Distance from the ellipse, in radii, at which a direction has lost half of its weight."""
_REFITS = 4


def on_limbus(
    image: Image, center: Floats, directions: Floats, radii: Floats, border: Floats
) -> Floats:
    """Return (N,) distances of the limbus from `center` (x, y), or `radii` if it cannot be read.

    `image` is (h, w, 3) uint8 RGB and `directions` (N, 2) unit vectors all around, evenly spaced, N
    a multiple of 60. `radii` (N,) are the distances of the outline and `border` (N,) those of the
    image's border, in pixels. Size, place and the two axes change: an ellipse remains nearly one.
    """
    modes, every = modes_of(len(radii)), len(radii) // DIRECTIONS
    offset, sure = read_limbus(image, center, directions[::every], radii[::every])
    shift = modes @ _change(modes[::every], offset, sure)
    if sure.mean() < MIN_SURE or np.abs(shift).max() > MAX_SHIFT:
        return radii
    read = radii * (1 + shift)
    brightness = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    return on_edge(brightness, center, directions, read, read < border - 1)


def _change(modes: Floats, offset: Floats, sure: Floats) -> Floats:
    """Return the (5,) change of the (N, 5) modes that fits (N,) offsets best by least squares.

    `sure` (N,) are their weights; outliers count less.
    """
    change: Floats = np.zeros(modes.shape[1])
    for _ in range(_REFITS):
        weighted = modes.T * (sure / (1 + ((offset - modes @ change) / _OFF) ** 2))
        fitted = np.linalg.solve(weighted @ modes + _STIFFNESS, weighted @ offset)
        change = np.asarray(fitted, np.float64)
    return change
