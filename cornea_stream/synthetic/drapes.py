"""What lies farthest from the eye: drapes, tape, gauze, plastic, skin with its disinfectant."""

from __future__ import annotations

import cv2
import numpy as np

from cornea_stream.synthetic.shapes import (
    Ellipse,
    Plane,
    blend,
    chance,
    color,
    smooth_noise,
    stain,
    step,
    tissue,
)

DRAPE = [
    (8, 22, 14), (14, 34, 22), (4, 8, 5), (25, 14, 8), (30, 60, 90), (25, 75, 85),
    (120, 140, 150), (60, 60, 66), (90, 70, 65), (190, 190, 195), (70, 90, 130), (20, 22, 26),
]  # fmt: skip
SKIN = [
    (120, 80, 50), (150, 105, 75), (70, 45, 28), (165, 110, 50), (190, 150, 130), (95, 85, 95),
    (200, 165, 150), (110, 75, 65),
]  # fmt: skip
_IODINE = [(120, 70, 20), (150, 90, 30), (90, 50, 20), (170, 110, 40)]


def paint_drape(rng: np.random.Generator, canvas: Plane) -> None:
    """Fill the (H, W, 3) canvas with cloth or plastic: folds, weave, glare."""
    height, width = canvas.shape[:2]
    folds = smooth_noise(rng, height, width, rng.uniform(2, 9)) * np.float32(rng.uniform(0, 0.45))
    if chance(rng, 0.3):
        folds += np.float32(0.2) * smooth_noise(rng, height, width, 90)
    canvas[:] = (1 + folds)[..., None] * color(rng, DRAPE, 8)
    for _ in range(int(rng.integers(1, 4)) if chance(rng, 0.4) else 0):
        _paint_sheet(rng, canvas)
    if chance(rng, 0.35):  # glare on the creases of a plastic sheet
        creases = np.abs(smooth_noise(rng, height, width, rng.uniform(3, 14))) < 0.05
        soft = cv2.GaussianBlur(creases.astype(np.float32), (0, 0), height / 300)
        canvas += (np.asarray(soft, np.float32) * np.float32(rng.uniform(30, 180)))[..., None]
    np.clip(canvas, 0, 255, out=canvas)


def _paint_sheet(rng: np.random.Generator, canvas: Plane) -> None:
    """Lay a strip of tape, gauze or plastic with straight edges over the canvas."""
    height, width = canvas.shape[:2]
    angle = rng.uniform(0, 2 * np.pi)
    columns = (np.arange(width, dtype=np.float32)[None, :] - width * rng.random()) * np.cos(angle)
    rows = (np.arange(height, dtype=np.float32)[:, None] - height * rng.random()) * np.sin(angle)
    across = np.asarray((columns + rows) / height, np.float32)
    edge = step(across, rng.uniform(0.01, 0.1)) * np.float32(rng.uniform(0.3, 1))
    shade = 1 + np.float32(rng.uniform(0, 0.3)) * smooth_noise(rng, height, width, 30)
    blend(canvas, edge, shade[..., None] * color(rng, DRAPE + SKIN, 10))


def paint_skin(rng: np.random.Generator, canvas: Plane, opening: Plane, limbus: Ellipse) -> None:
    """Paint the skin of the lids around the `opening` (positive between the lids), in place."""
    height, width = canvas.shape[:2]
    skin = np.empty(canvas.shape, np.float32)
    skin[:] = color(rng, SKIN, 8) * rng.uniform(0.3, 1.1)
    skin *= (1 + np.float32(rng.uniform(0.05, 0.3)) * tissue(rng, height, width))[..., None]
    for _ in range(int(rng.integers(1, 4)) if chance(rng, 0.3) else 0):
        x, y = limbus.point(rng.uniform(0, 6.3), rng.uniform(1.3, 2.5))
        spot = Ellipse(x, y, limbus.a, limbus.b * rng.uniform(0.4, 1), rng.normal(0, 0.5))
        stain(rng, skin, spot, color(rng, _IODINE, 12), rng.uniform(0.3, 0.8))
    blend(canvas, step(opening + rng.uniform(0.2, 1.8), rng.uniform(0.2, 1.2)), skin)
