"""The pupil and what is in it: reflex, cataract, dyed capsule, lens, hooks that hold it open."""

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
    pixel,
    spokes,
    step,
    triple,
)
from cornea_stream.synthetic.traits import Traits

_DARK = [(12, 10, 12), (30, 25, 25), (22, 26, 32), (45, 40, 35), (35, 42, 58)]
_RED = [(190, 60, 25), (230, 85, 30), (150, 45, 30), (205, 50, 45), (140, 75, 60), (120, 40, 45)]
_CLOUDY = [(150, 120, 95), (125, 100, 75), (205, 200, 190), (115, 115, 100), (165, 110, 55),
           (120, 125, 135), (95, 85, 100)]  # fmt: skip
_BLUE = [(40, 70, 170), (70, 110, 190), (60, 60, 140), (90, 140, 200)]
_REFLEX = [(255, 140, 30), (255, 90, 30), (230, 70, 50), (240, 190, 120), (250, 225, 200)]


def paint_pupil(rng: np.random.Generator, disc: Plane, limbus: Ellipse, traits: Traits) -> None:
    """Paint the pupil of the cornea `limbus` on the (H, W, 3) disc in 0–255, in place."""
    height, width = disc.shape[:2]
    size = rng.uniform(0.18, 0.45) if chance(rng, 0.25) else rng.uniform(0.45, 0.85)
    if traits.dilated:
        size = rng.uniform(0.8, 0.93)
    shift = rng.normal(0, 0.035, 2) * limbus.radius * min(1, 4 * (1 - size))
    pupil = Ellipse(
        limbus.x + float(shift[0]),
        limbus.y + float(shift[1]),
        limbus.a * size * rng.uniform(0.95, 1.05),
        limbus.b * size,
        limbus.angle,
    )
    box, pupil = pupil.crop(height, width, 1.3)
    part = disc[box]
    radius, angle = pupil.polar(*part.shape[:2])
    corners = int(rng.integers(4, 7)) if traits.hooks else 0
    start = rng.uniform(0, 2 * np.pi)
    if corners:
        radius /= 1 + np.float32(rng.uniform(0.06, 0.16)) * np.cos(corners * (angle - start))
    content = _content(rng, part, pupil, radius, angle, traits)
    edge = np.asarray(np.float32(0.97) - radius, np.float32)
    blend(part, step(edge, rng.uniform(0.03, 0.2)), content)
    _paint_rhexis(rng, part, pupil)
    if traits.lens:
        _paint_lens(rng, disc, limbus)
    if corners:
        _paint_hooks(rng, disc, limbus, size, corners, start)


def _content(
    rng: np.random.Generator, part: Plane, pupil: Ellipse, radius: Plane, angle: Plane,
    traits: Traits,
) -> Plane:  # fmt: skip
    base = color(rng, _pick(rng), 12)
    content = np.empty(part.shape, np.float32)
    content[:] = base
    if chance(rng, 0.5):
        _paint_gradient(rng, content, radius, angle)
    content *= (1 + spokes(rng, radius, angle) * np.float32(rng.uniform(0, 0.12)))[..., None]
    if chance(rng, 0.4):  # nucleus
        blend(content, step(rng.uniform(0.4, 0.8) - radius, 0.4) * 0.5, color(rng, _CLOUDY, 15))
    if traits.trypan_blue:
        dyed = step(radius - rng.uniform(-0.2, 0.7), 0.2) * rng.uniform(0.3, 0.9)
        blend(content, np.asarray(dyed, np.float32), color(rng, _BLUE, 15))
    return content


def _pick(rng: np.random.Generator) -> list[tuple[int, int, int]]:
    kind = rng.random()
    if kind < 0.25:
        return _DARK
    return _RED if kind < 0.65 else _CLOUDY


def _paint_gradient(rng: np.random.Generator, content: Plane, radius: Plane, angle: Plane) -> None:
    # A red reflex falls on one side of the pupil, mostly the upper one.
    direction = rng.normal(np.pi / 2, 0.8)
    along = np.cos(angle + np.float32(direction)) * radius
    reflex = step(np.asarray(along, np.float32) + np.float32(rng.uniform(-0.6, 0.6)), 0.7)
    blend(content, reflex * rng.uniform(0.4, 1), color(rng, _REFLEX, 12))


def _paint_rhexis(rng: np.random.Generator, part: Plane, pupil: Ellipse) -> None:
    """Draw the edge of an opened capsule, and fragments of the nucleus."""
    thickness = max(1, round(pupil.radius * rng.uniform(0.01, 0.04)))
    if chance(rng, 0.4):
        share, start = rng.uniform(0.5, 0.95), rng.uniform(0, 360)
        bright = triple(rng.uniform(130, 255, 3))
        _arc(part, pupil.scaled(share), start, start + rng.uniform(120, 360), bright, thickness)
    for _ in range(int(rng.integers(0, 9)) if chance(rng, 0.3) else 0):
        points = np.array([pupil.x, pupil.y]) + rng.normal(0, 0.35, (4, 2)) * pupil.radius
        tint = triple(color(rng, _CLOUDY + _RED, 20))
        hull = cv2.convexHull(points.astype(np.int32))
        if chance(rng, 0.5):
            cv2.fillConvexPoly(part, hull, tint, cv2.LINE_AA)
        else:
            cv2.polylines(part, [hull], True, tint, thickness, cv2.LINE_AA)


def _paint_lens(rng: np.random.Generator, disc: Plane, limbus: Ellipse) -> None:
    """Draw the rim of a lens and its two haptics, in the bag or still on the cornea."""
    off = rng.normal(0, 0.08, 2) * limbus.radius
    optic = Ellipse(
        limbus.x + off[0], limbus.y + off[1], limbus.a * 0.52, limbus.b * 0.52, limbus.angle
    )
    tint = triple(rng.uniform(150, 255) * np.array([1, 1, 0.95]))
    thickness = max(1, round(limbus.radius * rng.uniform(0.01, 0.04)))
    _arc(disc, optic, 0, 360, tint, thickness)
    turn = rng.uniform(0, 360)
    color_of_loop = tint if chance(rng, 0.6) else triple(color(rng, _BLUE, 10))
    for side in (0, 180):
        loop = optic.scaled(rng.uniform(1.15, 1.7))
        _arc(disc, loop, turn + side, turn + side + rng.uniform(60, 110), color_of_loop, thickness)
        first, last = np.radians(turn + side), np.radians(turn + side - 20)
        cv2.line(disc, pixel(loop.point(first)), pixel(optic.point(last)), color_of_loop,
                 thickness, cv2.LINE_AA)  # fmt: skip


def _paint_hooks(
    rng: np.random.Generator, disc: Plane, limbus: Ellipse, size: float, corners: int, start: float
) -> None:
    """Draw hooks that pull the pupil's corners to the limbus, or a ring with eyelets."""
    tint = triple(color(rng, [(60, 60, 190), (130, 60, 170), (40, 110, 200), (200, 200, 210)], 15))
    thickness = max(1, round(limbus.radius * rng.uniform(0.015, 0.04)))
    angles = start + np.arange(corners) * 2 * np.pi / corners + np.pi  # polar() counts from -pi
    inner = [limbus.point(float(a), size * rng.uniform(0.85, 1.1)) for a in angles]
    if chance(rng, 0.3):
        cv2.polylines(disc, [np.rint(inner).astype(np.int32)], True, tint, thickness, cv2.LINE_AA)
        for point in inner:
            cv2.circle(disc, pixel(point), 2 * thickness, tint, thickness, cv2.LINE_AA)
        return
    for angle, point in zip(angles, inner, strict=True):
        cv2.line(disc, pixel(point), pixel(limbus.point(float(angle), 1.25)), tint, thickness,
                 cv2.LINE_AA)  # fmt: skip


def _arc(
    canvas: Plane, ellipse: Ellipse, start: float, end: float, tint: Color | tuple[float, ...],
    thickness: int,
) -> None:  # fmt: skip
    axes = (max(1, round(ellipse.a)), max(1, round(ellipse.b)))
    turn = float(np.degrees(ellipse.angle))
    cv2.ellipse(canvas, pixel((ellipse.x, ellipse.y)), axes, turn, start, end, triple(tint),
                thickness, cv2.LINE_AA)  # fmt: skip
