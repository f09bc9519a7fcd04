"""The eye itself: where the cornea lies, and iris, limbus, pupil and what is in the pupil."""

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
    step,
    tissue,
)

_IRIS = [
    (120, 125, 95), (95, 110, 85), (140, 135, 100), (110, 120, 110), (85, 100, 120),
    (120, 135, 150), (90, 60, 35), (60, 40, 28), (140, 100, 55), (150, 120, 90), (165, 150, 115),
]  # fmt: skip
_PUPIL_DARK = [(12, 10, 12), (30, 25, 25), (22, 26, 32), (45, 40, 35)]
_PUPIL_RED = [(190, 60, 25), (230, 85, 30), (150, 45, 30), (205, 50, 45), (140, 75, 60)]
_PUPIL_CLOUDY = [(150, 120, 95), (125, 100, 75), (205, 200, 190), (115, 115, 100), (165, 110, 55)]
_REFLEX = [(255, 140, 30), (255, 90, 30), (230, 70, 50)]


def place_eye(rng: np.random.Generator, height: int, width: int) -> Ellipse:
    """Return the limbus: small in wide-angle views to filling the frame, often off-center."""
    radius = height * float(np.clip(rng.gamma(7.0, 0.034), 0.09, 0.5))
    squeeze = float(np.exp(rng.normal(-0.1, 0.14)))
    spread = 0.11 if chance(rng, 0.75) else 0.3
    x = width * float(np.clip(rng.normal(0.5, spread), 0, 1))
    y = height * float(np.clip(rng.normal(0.5, spread), 0, 1))
    return Ellipse(x, y, radius * squeeze, radius / squeeze, float(rng.normal(0, 0.15)))


def paint_cornea(rng: np.random.Generator, canvas: Plane, limbus: Ellipse, sclera: Color) -> None:
    """Paint the disc inside `limbus` on the (H, W, 3) canvas in 0–255, in place.

    The edge lies on the limbus and runs from sharp to hazy; `sclera` is the color it fades to.
    """
    height, width = canvas.shape[:2]
    radius, angle = limbus.polar(height, width)
    haze = float(rng.choice([0.03, 0.08, 0.15, 0.28]))
    inside = step(1 - radius, haze)
    iris = color(rng, _IRIS, 12)
    if chance(rng, 0.35):
        iris = iris * 0.6 + sclera * 0.4 * rng.uniform(0.6, 1)
    disc = np.broadcast_to(iris, canvas.shape).copy()
    disc *= (1 + _fibres(rng, radius, angle) * rng.uniform(0.02, 0.16))[..., None]
    disc *= (1 + rng.uniform(0, 0.1) * tissue(rng, height, width))[..., None]
    collarette = rng.uniform(0.4, 0.7)
    blend(disc, step(collarette - radius, 0.2) * 0.4, color(rng, _IRIS, 15))
    _paint_limbal_ring(rng, disc, radius, sclera)
    _paint_pupil(rng, disc, limbus)
    if chance(rng, 0.3):  # edema or fluid: milky veil over all
        disc += (rng.uniform(120, 190) - disc) * rng.uniform(0.1, 0.45)
    blend(canvas, inside, disc)


def _fibres(rng: np.random.Generator, radius: Plane, angle: Plane) -> Plane:
    texture = rng.normal(size=(6, int(rng.integers(24, 110)))).astype(np.float32)
    columns = (angle / (2 * np.pi) + 0.5) * (texture.shape[1] - 1)
    rows = np.clip(radius, 0, 1) * 5
    return np.asarray(
        cv2.remap(texture, columns.astype(np.float32), rows, cv2.INTER_LINEAR), np.float32
    )


def _paint_limbal_ring(rng: np.random.Generator, disc: Plane, radius: Plane, sclera: Color) -> None:
    start = rng.uniform(0.82, 0.97)
    ring = step(radius - start, rng.uniform(0.04, 0.2))
    if chance(rng, 0.45):
        blend(disc, ring * rng.uniform(0.2, 0.6), disc.mean(axis=(0, 1)) * 0.4)
    else:
        blend(disc, ring * rng.uniform(0.15, 0.55), sclera * 0.8 + np.float32(20))


def _paint_pupil(rng: np.random.Generator, disc: Plane, limbus: Ellipse) -> None:
    height, width = disc.shape[:2]
    size = rng.uniform(0.18, 0.45) if chance(rng, 0.3) else rng.uniform(0.45, 0.85)
    shift = rng.normal(0, 0.035, 2) * limbus.radius
    pupil = Ellipse(
        limbus.x + float(shift[0]),
        limbus.y + float(shift[1]),
        limbus.a * size * rng.uniform(0.92, 1.08),
        limbus.b * size,
        limbus.angle,
    )
    radius, angle = pupil.polar(height, width)
    kind = rng.random()
    base = color(rng, _PUPIL_DARK if kind < 0.25 else _PUPIL_RED, 12)
    if kind > 0.65:
        base = color(rng, _PUPIL_CLOUDY, 12)
    content = np.broadcast_to(base, disc.shape).copy()
    if chance(rng, 0.5):
        _paint_gradient(rng, content, pupil, radius, angle)
    content *= (1 + _fibres(rng, radius, angle) * rng.uniform(0, 0.12))[..., None]
    if chance(rng, 0.4):  # nucleus
        blend(content, step(rng.uniform(0.4, 0.8) - radius, 0.4) * 0.5,
              color(rng, _PUPIL_CLOUDY, 15))  # fmt: skip
    edge = np.float32(0.97) - radius
    blend(disc, step(edge, rng.uniform(0.03, 0.2)), content)
    _paint_lens(rng, disc, pupil)


def _paint_gradient(
    rng: np.random.Generator, content: Plane, pupil: Ellipse, radius: Plane, angle: Plane
) -> None:
    # A red reflex falls on one side of the pupil, mostly the upper one.
    direction = rng.normal(np.pi / 2, 0.8)
    along = np.cos(angle + np.float32(direction)) * radius
    reflex = step(np.asarray(along, np.float32) + np.float32(rng.uniform(-0.6, 0.6)), 0.7)
    blend(content, reflex * rng.uniform(0.4, 1), color(rng, _REFLEX, 12))


def _paint_lens(rng: np.random.Generator, disc: Plane, pupil: Ellipse) -> None:
    """Rings of a capsulorhexis or an implanted lens, fragments, and lens haptics."""
    center = (round(pupil.x), round(pupil.y))
    thickness = max(1, round(pupil.radius * rng.uniform(0.01, 0.04)))
    bright = tuple(float(v) for v in rng.uniform(130, 255, 3))
    if chance(rng, 0.4):
        share = rng.uniform(0.5, 0.95)
        axes = (max(1, round(pupil.a * share)), max(1, round(pupil.b * share)))
        start = rng.uniform(0, 360)
        sweep = rng.uniform(120, 360)
        cv2.ellipse(disc, center, axes, 0, start, start + sweep, bright, thickness, cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 9)) if chance(rng, 0.3) else 0):
        points = np.array(center) + rng.normal(0, 0.35, (4, 2)) * pupil.radius
        tint = tuple(float(v) for v in color(rng, _PUPIL_CLOUDY + _PUPIL_RED, 20))
        hull = cv2.convexHull(points.astype(np.int32))
        if chance(rng, 0.5):
            cv2.fillConvexPoly(disc, hull, tint, cv2.LINE_AA)
        else:
            cv2.polylines(disc, [hull], True, tint, thickness, cv2.LINE_AA)
