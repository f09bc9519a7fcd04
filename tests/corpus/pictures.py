"""Pictures that carry their number, so that lost, doubled and moved frames show in the pixels."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""(H, W, 3) uint8 RGB."""

BLOCK = 8
_BITS, _BAR_HEIGHT = 8, 16
_DARK, _LIGHT = 30, 225


def paint(number: int, height: int, width: int) -> Image:
    """Return a moving texture below the bar code of `number` (0 to 255)."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    waves = [
        128 + 70 * np.sin((columns * (1 + channel) + 3 * number) / 17 + rows / 23)
        for channel in range(3)
    ]
    grain = np.random.default_rng(7).integers(-24, 25, (height, width, 1))
    image = np.stack(waves, axis=2) + np.roll(grain, 2 * number, axis=1)
    image[height // 2 :, : width // 4] = (200, 40, 40)  # no symmetry: turned pictures are told
    bars = (number >> np.arange(_BITS)) & 1
    edges = np.linspace(0, width, _BITS + 1).astype(int)
    for bar, (left, right) in zip(bars, itertools.pairwise(edges), strict=True):
        image[:_BAR_HEIGHT, left:right] = _LIGHT if bar else _DARK
    return np.clip(image, 0, 255).astype(np.uint8)


def number_of(image: Image) -> int:
    """Return the number that the bar code of a picture shows."""
    edges = np.linspace(0, image.shape[1], _BITS + 1).astype(int)
    bars = [
        image[4 : _BAR_HEIGHT - 4, left + 2 : right - 2].mean() > (_DARK + _LIGHT) / 2
        for left, right in itertools.pairwise(edges)
    ]
    return int(np.packbits(bars, bitorder="little")[0])


def coarse(image: Image) -> NDArray[np.int16]:
    """Return the mean color of each block of 8×8 pixels, (H/8, W/8, 3)."""
    height, width = (size // BLOCK * BLOCK for size in image.shape[:2])
    blocks = image[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK, 3)
    return blocks.mean(axis=(1, 3)).astype(np.int16)
