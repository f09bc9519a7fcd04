"""The image around an outline, unrolled, and the ways in which an ellipse changes there."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def unrolled(
    image: NDArray[np.uint8] | NDArray[np.float32],
    center: Floats,
    directions: Floats,
    reach: Floats,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return (N, K[, 3]) float32 values of an (h, w[, 3]) image, and which of them lie in it.

    `reach` (N, K) are distances in pixels from `center` (x, y) along the (N, 2) unit vectors.
    Beyond the image's border, (N, K) False, its outermost pixels go on.
    """
    columns, rows = (
        (start + along[:, None] * reach).astype(np.float32)
        for start, along in zip(center, directions.T, strict=True)
    )
    height, width = image.shape[:2]
    inside = (columns > -0.5) & (columns < width - 0.5) & (rows > -0.5) & (rows < height - 0.5)
    values = cv2.remap(image, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(values, np.float32), inside


@lru_cache(maxsize=4)
def directions_of(count: int) -> Floats:
    """Return (count, 2) unit vectors (x, y) all around, evenly spaced."""
    angle = np.arange(count) * 2 * np.pi / count
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


@lru_cache(maxsize=4)
def modes_of(count: int) -> Floats:
    """Return the (count, 5) ways in which an outline changes: size, place, axes.

    Times a small change of each, in radii, an ellipse remains nearly one.
    """
    angle = np.arange(count) * 2 * np.pi / count
    around = [np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)]
    return np.stack([np.ones(count), *around], axis=1)
