"""Single frames: an eye under surgery with its mask, or anything but an eye."""

from __future__ import annotations

import cv2
import numpy as np

from cornea_stream.synthetic.camera import develop, light
from cornea_stream.synthetic.display import paint_borders, paint_display
from cornea_stream.synthetic.drapes import paint_drape, paint_skin
from cornea_stream.synthetic.eye import paint_cornea, place_eye
from cornea_stream.synthetic.instruments import paint_instruments
from cornea_stream.synthetic.lids import lid_opening, paint_lashes, paint_speculum
from cornea_stream.synthetic.marks import paint_marks, paint_wetness
from cornea_stream.synthetic.occluders import paint_occluders
from cornea_stream.synthetic.sclera import paint_sclera
from cornea_stream.synthetic.shapes import (
    Ellipse,
    Image,
    Plane,
    blend,
    chance,
    smooth_noise,
    step,
)
from cornea_stream.synthetic.traits import Traits, draw_traits

BURNED = 245
MOST_BURNED = 0.25
"""Share of the limbus that may be lost in white; beyond it nobody could draw the outline."""


def generate_frame(
    seed: int, height: int = 512, width: int = 512, *, camera: bool = True, kind: str | None = None
) -> tuple[Image, Image]:
    """Return an RGB frame (H, W, 3) uint8 and its mask (H, W) uint8, 0 or 255.

    The mask is the whole disc inside the limbus, clipped by the frame only: it runs on beneath
    instruments, lids and fingers, as in the Cataract-1K annotation. `camera=False` leaves out
    color cast, blur, noise and compression. `kind` names one of the traits in
    `cornea_stream.synthetic.KINDS` that the frame is sure to have. The same seed gives the same
    bytes; a frame whose limbus is burned out is drawn again. Raises ValueError for an unknown kind.
    """
    rng = np.random.default_rng(seed)
    while True:
        traits = draw_traits(rng, *([kind] if kind else []))
        limbus = place_eye(rng, height, width, traits)
        image = _photograph(rng, limbus, height, width, traits, camera)
        if burned_share(image, limbus) <= MOST_BURNED:
            return image, limbus.mask(height, width)


def _photograph(
    rng: np.random.Generator, limbus: Ellipse, height: int, width: int, traits: Traits,
    camera: bool,
) -> Image:  # fmt: skip
    image = paint_scene(rng, limbus, height, width, traits)
    counts = [2, 3] if traits.instruments else [0, 1, 2]
    paint_instruments(rng, image, limbus, int(rng.choice(counts)))
    if traits.soft_occluder:
        paint_occluders(rng, image, limbus)
    if camera:
        flat = traits.dim or (traits.heads_up and chance(rng, 0.5))
        image = develop(rng, image, cast=traits.cast, flat=flat)
    if traits.display:
        paint_display(rng, image)
    if chance(rng, 0.1):
        paint_borders(rng, image, limbus)
    return image


def burned_share(image: Image, limbus: Ellipse) -> float:
    """Return the share of the limbus in view with nothing but white on both of its sides, 0–1."""
    height, width = image.shape[:2]
    white = np.ones((2, 96), bool)
    inside = white.copy()
    for row, reach in enumerate((0.85, 1.08)):
        columns, rows = limbus.outline(96, reach)
        inside[row] = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        pixels = image[rows.clip(0, height - 1), columns.clip(0, width - 1)]
        white[row] = pixels.min(axis=1) >= BURNED
    in_view = inside.all(axis=0)
    return float((white.all(axis=0) & in_view).sum() / max(1, in_view.sum()))


def paint_scene(
    rng: np.random.Generator, limbus: Ellipse, height: int, width: int, traits: Traits
) -> Image:
    """Return the lit eye and its surroundings, without instruments, (H, W, 3) uint8 RGB."""
    canvas = np.empty((height, width, 3), np.float32)
    paint_drape(rng, canvas)
    opening = lid_opening(rng, height, width, limbus, traits)
    if chance(rng, 0.75):
        paint_skin(rng, canvas, opening, limbus)
        if chance(rng, 0.4):
            paint_lashes(rng, canvas, limbus)
    between = step(opening, rng.uniform(0.04, 0.2 if traits.lid_cut else 0.5))
    lids = canvas.copy() if traits.lid_cut else None
    sclera = paint_sclera(rng, canvas, limbus, between, traits)
    paint_cornea(rng, canvas, limbus, sclera, traits)
    paint_marks(rng, canvas, limbus, traits)
    if lids is not None:
        blend(canvas, 1 - between, lids)
    image = light(rng, canvas, limbus, traits)
    if chance(rng, 0.6):
        paint_speculum(rng, image, limbus)
    paint_wetness(rng, image, limbus, traits)
    return image


def generate_empty(seed: int, height: int = 512, width: int = 512) -> Image:
    """Return an RGB frame (H, W, 3) uint8 without any eye.

    Black, drapes, gauze, skin, a text slide, or tissue far out of focus.
    """
    rng = np.random.default_rng(seed)
    kind = rng.random()
    if kind < 0.12:
        return np.full((height, width, 3), rng.integers(0, 30, 3), np.uint8)
    if kind < 0.25:
        return _slide(rng, height, width)
    canvas = np.zeros((height, width, 3), np.float32)
    paint_drape(rng, canvas)
    away = Ellipse(width * rng.random(), height * rng.random(), height * 0.2, height * 0.2, 0.0)
    if kind > 0.5:
        _paint_tissue(rng, canvas)
    traits = draw_traits(rng)
    image = light(rng, canvas, away, traits)
    paint_instruments(rng, image, away, int(rng.integers(0, 3)))
    if chance(rng, 0.4):
        paint_occluders(rng, image, away)
    if chance(rng, 0.3):
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), height * rng.uniform(0.01, 0.06)))
    image = develop(rng, image, cast=traits.cast, flat=traits.dim)
    if traits.display:
        paint_display(rng, image)
    return image


def _paint_tissue(rng: np.random.Generator, canvas: Plane) -> None:
    height, width = canvas.shape[:2]
    base = rng.uniform([110, 60, 40], [235, 190, 170]).astype(np.float32)
    tissue = np.broadcast_to(base, canvas.shape).copy()
    for cells in (3, 12, 60):
        tissue *= (1 + 0.12 * smooth_noise(rng, height, width, cells))[..., None]
    alpha = np.clip(smooth_noise(rng, height, width, 3) + 0.8, 0, 1)
    canvas += (tissue - canvas) * alpha[..., None]


def _slide(rng: np.random.Generator, height: int, width: int) -> Image:
    image = np.full((height, width, 3), rng.integers(0, 256, 3), np.uint8)
    ink = tuple(float(255 - v) for v in image[0, 0])
    for _ in range(int(rng.integers(1, 8))):
        text = "".join(chr(c) for c in rng.integers(65, 123, rng.integers(3, 22)))
        origin = (int(rng.integers(0, width // 2)), int(rng.integers(height // 10, height)))
        size = height / 512 * rng.uniform(0.6, 2.5)
        cv2.putText(image, text, origin, cv2.FONT_HERSHEY_SIMPLEX, size, ink, 2, cv2.LINE_AA)
    return image
