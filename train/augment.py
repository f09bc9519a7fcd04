"""Mild augmentation of frames; the published recipe has none."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def augment_mildly(rng: np.random.Generator, image: Image, mask: Image) -> tuple[Image, Image]:
    """Return an (H, W, 3) RGB image and its (H, W) mask, slightly transformed and relit."""
    height, width = mask.shape
    angle, zoom = rng.uniform(-15, 15), rng.uniform(0.85, 1.15)
    matrix = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), angle, zoom))
    matrix[:, 2] += rng.uniform(-0.06, 0.06, 2) * np.array([width, height])
    if rng.random() < 0.5:  # left and right eyes
        matrix[0] *= -1
        matrix[0, 2] += width - 1
    border = cv2.BORDER_REFLECT_101
    image = np.asarray(cv2.warpAffine(image, matrix, (width, height), borderMode=border))
    mask = np.asarray(
        cv2.warpAffine(mask, matrix, (width, height), flags=cv2.INTER_NEAREST, borderMode=border)
    )
    gain, lift = rng.uniform(0.8, 1.2, 3), rng.uniform(-12, 12)
    relit = np.clip(image * gain + lift, 0, 255).astype(np.uint8)
    return relit, mask.astype(np.uint8)
