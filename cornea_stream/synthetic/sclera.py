"""The white of the eye: its color and vessels, inflammation, folds, blood and pigment."""

from __future__ import annotations

import cv2
import numpy as np

from cornea_stream.synthetic.shapes import (
    Color,
    Ellipse,
    Plane,
    blend,
    chance,
    color,
    smooth_noise,
    spokes,
    stain,
    step,
    tissue,
    triple,
)
from cornea_stream.synthetic.traits import Traits

_SCLERA = [
    (225, 215, 180), (205, 200, 165), (235, 225, 210), (225, 190, 165), (215, 160, 145),
    (190, 120, 110), (175, 165, 185), (200, 175, 190), (225, 205, 210), (200, 190, 205),
]  # fmt: skip
_INFLAMED = [(60, -25, -20), (45, -30, 10), (35, -10, -45), (30, -30, 40)]
BLOOD = [(150, 20, 18), (110, 15, 15), (185, 50, 40), (170, 30, 45), (90, 10, 15)]
_BROWN = [(110, 75, 45), (85, 55, 35), (140, 100, 65), (60, 40, 28), (150, 110, 85)]


def paint_sclera(
    rng: np.random.Generator, canvas: Plane, limbus: Ellipse, alpha: Plane, traits: Traits
) -> Color:
    """Lay the white of the eye on the (H, W, 3) canvas by (H, W) alpha, in place; return its RGB.

    The color is what the limbus fades to.
    """
    height, width = canvas.shape[:2]
    tint = color(rng, _SCLERA, 6)
    white = np.empty((height, width, 3), np.float32)
    white[:] = tint
    radius, angle = limbus.polar(height, width)
    patches = smooth_noise(rng, height, width, rng.uniform(3, 10))
    pink = np.minimum(np.float32(rng.uniform(0, 0.3)) * np.clip(patches, 0, 2), 1)
    blend(white, pink, color(rng, BLOOD, 15) + np.float32(50))
    shade = np.clip(1.15 - np.float32(rng.uniform(0, 0.45)) * (radius - 1), 0.2, 1.2)
    shade *= 1 + np.float32(rng.uniform(0, 0.15)) * tissue(rng, height, width)
    white *= shade[..., None]
    if chance(rng, 0.35):  # inflamed or bloodshot conjunctiva
        flush = np.asarray(_INFLAMED[rng.integers(len(_INFLAMED))], np.float32)
        amount = rng.uniform(0.3, 1.2) + rng.uniform(0.2, 0.8) * tissue(rng, height, width)
        white += np.clip(amount, 0, 2.5)[..., None].astype(np.float32) * flush
        np.clip(white, 0, 255, out=white)
    _paint_vessels(rng, white, limbus)
    if traits.folds:
        _paint_folds(rng, white, limbus, radius, angle)
    if traits.pigment:
        _paint_pigment(rng, white, limbus, radius, angle)
    if traits.blood:
        for _ in range(int(rng.integers(1, 5))):
            paint_blood(rng, white, limbus)
    blend(canvas, alpha, white)
    return tint


def paint_blood(
    rng: np.random.Generator, canvas: Plane, limbus: Ellipse, reach: float = 1.15
) -> None:
    """Lay one spot of blood, thin or thick, about `reach` radii from the center, in place."""
    x, y = limbus.point(rng.uniform(0, 2 * np.pi), rng.uniform(reach - 0.2, reach + 0.4))
    length = limbus.radius * rng.uniform(0.06, 0.5)
    along = np.arctan2(y - limbus.y, x - limbus.x) + (np.pi / 2 if chance(rng, 0.6) else 0)
    spot = Ellipse(x, y, length, length * rng.uniform(0.25, 0.8), float(along))
    stain(rng, canvas, spot, color(rng, BLOOD, 15), rng.uniform(0.4, 1))


def _paint_vessels(rng: np.random.Generator, canvas: Plane, limbus: Ellipse) -> None:
    layer = canvas.copy()
    for _ in range(int(rng.integers(0, 30))):
        angle = rng.uniform(0, 2 * np.pi)
        reach = np.linspace(rng.uniform(1.0, 1.4), rng.uniform(1.4, 3), 8)
        bends = angle + np.cumsum(rng.normal(0, 0.05, 8))
        points = np.stack([limbus.x + limbus.a * reach * np.cos(bends),
                           limbus.y + limbus.b * reach * np.sin(bends)], axis=1)  # fmt: skip
        thickness = max(1, round(limbus.radius * rng.uniform(0.005, 0.03)))
        tint = triple(color(rng, BLOOD, 15) + np.float32(30))
        cv2.polylines(layer, [points.astype(np.int32)], False, tint, thickness, cv2.LINE_AA)
    cv2.addWeighted(layer, share := rng.uniform(0.2, 0.8), canvas, 1 - share, 0, canvas)


def _paint_folds(
    rng: np.random.Generator, canvas: Plane, limbus: Ellipse, radius: Plane, angle: Plane
) -> None:
    """Paint ridges that run beside the limbus for a while, lit on one side, dark on the other."""
    for _ in range(int(rng.integers(1, 4))):
        middle = np.float32(rng.uniform(1.08, 1.55))
        sway = np.float32(rng.uniform(-0.15, 0.15)) * np.cos(angle - np.float32(rng.normal(0, 2)))
        offset = (radius - middle - sway) / np.float32(rng.uniform(0.03, 0.12))
        window = np.cos((angle - np.float32(rng.uniform(-np.pi, np.pi))) / 2) ** 2
        window = np.clip((window - rng.uniform(0.3, 0.85)) * 6, 0, 1)
        relief = offset * np.exp(-(offset**2)) * window * np.float32(rng.uniform(0.15, 0.7))
        canvas *= (1 + relief * rng.choice([-1, 1])).astype(np.float32)[..., None]
    np.clip(canvas, 0, 255, out=canvas)


def _paint_pigment(
    rng: np.random.Generator, canvas: Plane, limbus: Ellipse, radius: Plane, angle: Plane
) -> None:
    """Paint brown pigment around the limbus: a cloudy ring, denser on some sides."""
    end = np.float32(rng.uniform(1.06, 1.35))
    ragged = np.float32(0.1) * spokes(rng, radius - np.float32(0.5), angle)
    ring = step(end - radius + ragged.astype(np.float32), rng.uniform(0.05, 0.3))
    sides = 0.5 + np.cos(angle * rng.choice([1, 2]) - np.float32(rng.uniform(0, 2 * np.pi)))
    share = np.clip(sides + rng.uniform(-0.5, 0.8), 0, 1) * rng.uniform(0.3, 0.85)
    tint = color(rng, _BROWN, 12)
    blend(canvas, np.asarray(ring * share.astype(np.float32), np.float32), tint)
    for _ in range(int(rng.integers(0, 4))):
        x, y = limbus.point(rng.uniform(0, 2 * np.pi), rng.uniform(1.05, 1.5))
        size = limbus.radius * rng.uniform(0.05, 0.3)
        stain(rng, canvas, Ellipse(x, y, size, size * 0.7, 0.0), tint, rng.uniform(0.3, 0.8))
