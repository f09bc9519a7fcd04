"""Mild augmentation of frames; the published recipe has none."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def augment_mildly(rng: np.random.Generator, image: Image, mask: Image) -> tuple[Image, Image]:
    """Return an (S, S, 3) RGB image and its (S, S) mask, slightly transformed and relit."""
    size = image.shape[0]
    angle, zoom = rng.uniform(-15, 15), rng.uniform(0.85, 1.15)
    matrix = np.asarray(cv2.getRotationMatrix2D((size / 2, size / 2), angle, zoom))
    matrix[:, 2] += rng.uniform(-0.06, 0.06, 2) * size
    if rng.random() < 0.5:  # left and right eyes
        matrix[0] *= -1
        matrix[0, 2] += size - 1
    border = cv2.BORDER_REFLECT_101
    image = np.asarray(cv2.warpAffine(image, matrix, (size, size), borderMode=border))
    mask = np.asarray(
        cv2.warpAffine(mask, matrix, (size, size), flags=cv2.INTER_NEAREST, borderMode=border)
    )
    gain, lift = rng.uniform(0.8, 1.2, 3), rng.uniform(-12, 12)
    relit = np.clip(image * gain + lift, 0, 255).astype(np.uint8)
    return relit, mask.astype(np.uint8)
