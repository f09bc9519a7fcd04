"""Frames of an eye whose limbus is known, at the size of a network's input."""

from __future__ import annotations

import numpy as np

from cornea_stream.media.frame import Image

SIZE = (256, 416)
CENTER, AXES = (210.0, 124.0), (62.0, 54.0)


def elliptic_radius(x: float, y: float, a: float, b: float) -> np.ndarray:
    """Return how far each pixel is from (x, y), 1 on the ellipse of the semi-axes a and b."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)
    return np.hypot((columns - x) / a, (rows - y) / b)


def frame_of_an_eye(*, soft: float = 0.02, contrast: int = 90) -> tuple[Image, Image]:
    """Return a dark iris with a darker pupil on a sclera that is brighter, and its true mask.

    Across the limbus the brightness rises from 10 to 90 % within `soft`, in radii.
    """
    radius = elliptic_radius(*CENTER, *AXES)
    sclera = 1 / (1 + np.exp(-np.clip((radius - 1) / (soft / 4.4), -50, 50)))
    iris = 1 / (1 + np.exp(-np.clip((radius - 0.5) / 0.01, -50, 50)))
    noise = np.random.default_rng(0).normal(0, 2, SIZE)
    gray = np.clip(30 + 40 * iris + contrast * sclera + noise, 0, 255)
    return gray.astype(np.uint8), np.where(radius <= 1, 255, 0).astype(np.uint8)
