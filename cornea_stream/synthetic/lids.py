"""The lids: the opening between them, lashes, and the speculum that holds them apart."""

from __future__ import annotations

import cv2
import numpy as np

from cornea_stream.synthetic.shapes import Ellipse, Image, Plane, chance, color, pixel, triple
from cornea_stream.synthetic.traits import Traits

_STEEL = [(30, 60, 50), (110, 115, 115), (15, 30, 25), (160, 165, 170), (90, 85, 100)]


def lid_opening(
    rng: np.random.Generator, height: int, width: int, limbus: Ellipse, traits: Traits
) -> Plane:
    """Return an (H, W) signed field, positive between the lids, in units of the cornea's radius."""
    dx = (np.arange(width, dtype=np.float32)[None, :] - np.float32(limbus.x)) / np.float32(limbus.a)
    dy = (np.arange(height, dtype=np.float32)[:, None] - np.float32(limbus.y)) / np.float32(
        limbus.b
    )
    half_width = rng.uniform(1.7, 3.5)
    center_x = rng.normal(0, 0.25)
    over, under = rng.uniform(1.1, 2.4), rng.uniform(1.15, 2.4)
    if traits.lid_cut:
        over = rng.uniform(0.55, 1.05)
    power = rng.uniform(1.7, 5)
    across = np.abs((dx - np.float32(center_x)) / np.float32(half_width)) ** np.float32(power)
    upper = dy + np.float32(over) * (1 - across)
    lower = np.float32(under) * (1 - across) - dy
    return np.asarray(np.minimum(upper, lower), np.float32)


def paint_lashes(rng: np.random.Generator, canvas: Plane, limbus: Ellipse) -> None:
    """Draw lashes at one lid on the (H, W, 3) canvas, in place."""
    side = rng.choice([-1, 1])
    tint = triple(rng.uniform(0, 50, 3))
    thickness = max(1, round(limbus.radius * rng.uniform(0.008, 0.02)))
    for _ in range(int(rng.integers(8, 40))):
        root = limbus.x + rng.normal(0, 1.3) * limbus.a
        start = np.array([root, limbus.y + side * rng.uniform(1.2, 1.9) * limbus.b])
        end = start + np.array([rng.normal(0, 0.15), side * rng.uniform(0.1, 0.5)]) * limbus.radius
        cv2.line(canvas, pixel(start), pixel(end), tint, thickness, cv2.LINE_AA)


def paint_speculum(rng: np.random.Generator, image: Image, limbus: Ellipse) -> None:
    """Draw the wire loops or blades of a speculum on the (H, W, 3) uint8 image, in place."""
    tint = color(rng, _STEEL, 12)
    thickness = max(1, round(limbus.radius * rng.uniform(0.03, 0.1)))
    if chance(rng, 0.3):
        _paint_frame(rng, image, limbus, triple(tint), thickness)
        return
    for side in (-1, 1):
        for reach in (-1, 1):
            if chance(rng, 0.25):
                continue
            x = limbus.x + reach * limbus.a * rng.uniform(0.6, 1.6)
            y = limbus.y + side * limbus.b * rng.uniform(1.1, 1.8)
            far = np.array([x + rng.normal(0, 0.1) * limbus.a, y + side * 3 * limbus.b])
            near = np.array([x, y])
            hook = near + np.array([rng.normal(0, 0.3), -side * 0.05]) * limbus.radius
            _wire(image, [far, near, hook], triple(tint), thickness)


def _paint_frame(
    rng: np.random.Generator, image: Image, limbus: Ellipse, tint: tuple[float, float, float],
    thickness: int,
) -> None:  # fmt: skip
    """Draw a wire bent into a V or U that opens to one side, as a Barraquer speculum's."""
    side = rng.choice([-1, 1])
    for lid in (-1, 1):
        bend = [
            limbus.x + side * limbus.a * rng.uniform(1.6, 2.6), limbus.y + 0.2 * lid * limbus.b,
            limbus.x + side * limbus.a * rng.uniform(0.4, 0.9),
            limbus.y + lid * limbus.b * rng.uniform(1.3, 1.9),
            limbus.x - side * limbus.a * rng.uniform(0.4, 1.0),
            limbus.y + lid * limbus.b * rng.uniform(1.3, 1.9),
        ]  # fmt: skip
        _wire(image, list(np.reshape(bend, (3, 2))), tint, thickness)


def _wire(
    image: Image, points: list[np.ndarray[tuple[int], np.dtype[np.float64]]],
    tint: tuple[float, float, float], thickness: int,
) -> None:  # fmt: skip
    line = np.rint(points).astype(np.int32)
    cv2.polylines(image, [line], False, tint, thickness, cv2.LINE_AA)
    shine = triple(np.minimum(255, np.asarray(tint) + 90))
    cv2.polylines(image, [line], False, shine, max(1, thickness // 4), cv2.LINE_AA)
