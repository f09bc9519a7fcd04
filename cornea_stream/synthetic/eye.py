"""The cornea: where it lies, the iris behind it, and the limbus around it."""

from __future__ import annotations

import cv2
import numpy as np

from cornea_stream.synthetic.pupil import paint_pupil
from cornea_stream.synthetic.shapes import (
    Color,
    Ellipse,
    Plane,
    blend,
    chance,
    color,
    spokes,
    step,
    tissue,
)
from cornea_stream.synthetic.traits import Traits

_IRIS = [
    (120, 125, 95), (95, 110, 85), (140, 135, 100), (110, 120, 110), (85, 100, 120),
    (120, 135, 150), (90, 60, 35), (60, 40, 28), (140, 100, 55), (150, 120, 90), (165, 150, 115),
    (105, 95, 80), (75, 85, 75),
]  # fmt: skip
_IRIS_PALE = [
    (165, 165, 130), (150, 155, 125), (190, 185, 130), (145, 155, 145), (155, 140, 110),
    (175, 170, 160), (150, 160, 165), (200, 195, 160), (160, 150, 90),
]  # fmt: skip
_IRIS_DARK = [(34, 22, 16), (48, 30, 20), (60, 40, 28), (28, 22, 22), (70, 46, 34), (40, 36, 30)]
_ASPECTS = (0.75, 0.75, 0.75, 1.0, 0.5625, 0.5625, 0.67)


def place_eye(rng: np.random.Generator, height: int, width: int, traits: Traits) -> Ellipse:
    """Return the limbus: small in wide-angle views to filling the frame, often off-center.

    Frames are squashed to the network's square; the drawn one stands for a 4:3, 16:9 or square
    picture, unless it is itself wider than high.
    """
    if traits.heads_up:
        tall, aspect, spread = rng.uniform(0.11, 0.36), 0.5625, 0.09
    else:
        tall = float(np.clip(rng.gamma(7.0, 0.036), 0.09, 0.55))
        aspect = float(rng.choice(_ASPECTS))
        spread = 0.11 if chance(rng, 0.8) else 0.28
    if width > 1.2 * height:
        aspect = 1.0
    b = height * tall
    a = b * aspect * float(np.exp(rng.normal(0, 0.08)))
    x = width * float(np.clip(rng.normal(0.5, spread), 0, 1))
    y = height * float(np.clip(rng.normal(0.5, spread), 0, 1))
    return Ellipse(x, y, a, b, float(rng.normal(0, 0.12)))


def paint_cornea(
    rng: np.random.Generator, canvas: Plane, limbus: Ellipse, sclera: Color, traits: Traits
) -> None:
    """Paint the disc inside `limbus` on the (H, W, 3) canvas in 0–255, in place.

    The limbus is the middle of the transition from the iris to the `sclera`, sharp or soft.
    """
    box, limbus = limbus.crop(canvas.shape[0], canvas.shape[1], 1.2)
    canvas = canvas[box]
    height, width = canvas.shape[:2]
    radius, angle = limbus.polar(height, width)
    irises = _IRIS_DARK if traits.dark_iris else _IRIS_PALE if traits.pale_iris else _IRIS
    iris = color(rng, irises, 10)
    if chance(rng, 0.1 if traits.dark_iris else 0.35):
        iris = iris * 0.6 + sclera * 0.4 * rng.uniform(0.6, 1)
    disc = np.empty(canvas.shape, np.float32)
    disc[:] = iris
    texture = spokes(rng, radius, angle) * np.float32(rng.uniform(0.02, 0.2))
    texture += np.float32(rng.uniform(0, 0.1)) * tissue(rng, height, width)
    disc *= (1 + texture)[..., None]
    collarette = rng.uniform(0.4, 0.7)
    blend(disc, step(collarette - radius, 0.2) * 0.4, color(rng, irises, 15))
    _paint_limbal_ring(rng, disc, radius, sclera)
    paint_pupil(rng, disc, limbus, traits)
    if traits.limbal_zone:
        _paint_limbal_zone(rng, disc, radius, angle, iris, sclera)
    if traits.arcus:
        _paint_arcus(rng, disc, radius, angle, sclera)
    if chance(rng, 0.3):  # edema or fluid: milky veil over all
        disc += (rng.uniform(110, 190) - disc) * rng.uniform(0.1, 0.45)
    _join(rng, canvas, disc, radius, angle, sclera, traits.soft_limbus)


def _join(
    rng: np.random.Generator, canvas: Plane, disc: Plane, radius: Plane, angle: Plane,
    sclera: Color, soft: bool,
) -> None:  # fmt: skip
    """Lay the disc on the canvas through a limbus whose middle is the ellipse."""
    width = rng.uniform(0.06, 0.17) if soft else float(rng.choice([0.02, 0.04, 0.06, 0.09]))
    # Wider above, where the conjunctiva reaches over the cornea, or anywhere else.
    uneven = rng.uniform(0, 0.5) * np.cos(angle - np.float32(rng.uniform(0, 2 * np.pi)))
    inside = step((1 - radius) / (1 + uneven).astype(np.float32), width)
    inside *= inside * (3 - 2 * inside)
    rim = disc[(radius > 0.85) & (radius < 0.95)]
    edge = rim.mean(axis=0) if len(rim) else sclera * 0.5
    between = (0.5 * edge + 0.5 * sclera) * rng.uniform([0.8, 0.9, 0.95], [1.0, 1.02, 1.15])
    tint = 4 * inside * (1 - inside) * np.float32(rng.uniform(0.3, 0.9) if soft else 0.3)
    blend(canvas, inside, disc)
    blend(canvas, tint, between.astype(np.float32))


def _paint_limbal_zone(
    rng: np.random.Generator, disc: Plane, radius: Plane, angle: Plane, iris: Color, sclera: Color
) -> None:
    """Paint clear cornea over white ground between the iris and the limbus.

    It is wider on one side where the eye looks to the other.
    """
    sway = min(0.14, abs(rng.normal(0, 0.06))) * np.cos(
        angle - np.float32(rng.uniform(0, 2 * np.pi))
    )
    start = np.float32(rng.uniform(0.82, 0.94)) + sway.astype(np.float32)
    share = rng.uniform(0.15, 0.75)
    tint = iris * share + sclera * (1 - share)
    tint *= rng.uniform([0.68, 0.76, 0.8], [0.95, 1.0, 1.08]).astype(np.float32)
    blend(
        disc, step(radius - start, rng.uniform(0.02, 0.12)) * np.float32(rng.uniform(0.5, 1)), tint
    )


def _paint_arcus(
    rng: np.random.Generator, disc: Plane, radius: Plane, angle: Plane, sclera: Color
) -> None:
    middle, width = rng.uniform(0.86, 0.93), rng.uniform(0.06, 0.14)
    ring = np.clip(1 - np.abs(radius - middle) / width, 0, 1)
    reach = rng.uniform(-0.6, 1.6)  # a crescent above or below, or the whole round
    window = np.clip(np.cos(2 * (angle - np.float32(rng.normal(np.pi / 2, 0.4)))) + reach, 0, 1)
    pale = sclera * rng.uniform(0.7, 1) + rng.uniform([0, 0, 0], [10, 12, 25])
    alpha = np.asarray(ring * window * np.float32(rng.uniform(0.3, 0.85)), np.float32)
    blend(disc, alpha, pale.astype(np.float32))


def _paint_limbal_ring(rng: np.random.Generator, disc: Plane, radius: Plane, sclera: Color) -> None:
    start = rng.uniform(0.82, 0.97)
    ring = step(radius - start, rng.uniform(0.04, 0.2))
    if chance(rng, 0.45):
        blend(disc, ring * rng.uniform(0.2, 0.6), _mean(disc) * np.float32(0.4))
    else:
        blend(disc, ring * rng.uniform(0.1, 0.4), sclera * 0.75 + np.float32(15))


def _mean(disc: Plane) -> Color:
    return np.asarray(cv2.mean(disc)[:3], np.float32)
