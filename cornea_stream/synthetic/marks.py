"""What lies on the limbus: ink of a marker, blood that runs over, incisions, water and light."""

from __future__ import annotations

import cv2
import numpy as np

from cornea_stream.synthetic.sclera import paint_blood
from cornea_stream.synthetic.shapes import Ellipse, Image, Plane, chance, color, pixel, triple
from cornea_stream.synthetic.traits import Traits

_INK = [(60, 40, 110), (35, 30, 60), (70, 60, 150), (30, 30, 36), (90, 50, 130)]


def paint_marks(rng: np.random.Generator, canvas: Plane, limbus: Ellipse, traits: Traits) -> None:
    """Paint ink, running blood and the edges of incisions on the (H, W, 3) canvas, in place."""
    if traits.ink:
        _paint_ink(rng, canvas, limbus)
    if traits.blood and chance(rng, 0.5):
        for _ in range(int(rng.integers(1, 4))):
            paint_blood(rng, canvas, limbus, 1.0)
    if chance(rng, 0.25):  # an incision: a bright line with a dark one beside it
        start, sweep = rng.uniform(0, 360), rng.uniform(10, 40)
        wound = limbus.scaled(rng.uniform(0.88, 1.04))
        axes = (max(1, round(wound.a)), max(1, round(wound.b)))
        thickness = max(1, round(limbus.radius * 0.02))
        for offset, shade in ((0, rng.uniform(170, 240)), (thickness, rng.uniform(60, 130))):
            spot = pixel((wound.x, wound.y + offset))
            cv2.ellipse(canvas, spot, axes, 0, start, start + sweep, (shade,) * 3, thickness,
                        cv2.LINE_AA)  # fmt: skip


def _paint_ink(rng: np.random.Generator, canvas: Plane, limbus: Ellipse) -> None:
    layer = canvas.copy()
    tint = triple(color(rng, _INK, 12))
    start = rng.uniform(0, 2 * np.pi)
    count = int(rng.choice([1, 2, 3, 4, 8]))
    thickness = max(1, round(limbus.radius * rng.uniform(0.015, 0.06)))
    lines = chance(rng, 0.5)
    for number in range(count):
        angle = start + 2 * np.pi * number / count + rng.normal(0, 0.05)
        reach = rng.uniform(0.85, 1.1)
        point = pixel(limbus.point(angle, reach))
        if lines:
            end = pixel(limbus.point(angle, reach + rng.uniform(0.1, 0.4)))
            cv2.line(layer, point, end, tint, thickness, cv2.LINE_AA)
        else:
            cv2.circle(layer, point, round(thickness * rng.uniform(1, 2)), tint, -1, cv2.LINE_AA)
    share = rng.uniform(0.4, 0.95)
    cv2.addWeighted(layer, share, canvas, 1 - share, 0, canvas)


def paint_wetness(rng: np.random.Generator, image: Image, limbus: Ellipse, traits: Traits) -> None:
    """Draw specular highlights and bubbles on the (H, W, 3) uint8 image, in place."""
    height = image.shape[0]
    for _ in range(int(rng.integers(1, 4))):
        center = np.array([limbus.x, limbus.y]) + rng.normal(0, 0.3, 2) * limbus.radius
        _glint(rng, image, center, limbus.radius * rng.uniform(0.02, 0.14))
    if traits.glints:
        _paint_lamps(rng, image, limbus)
    if chance(rng, 0.5):
        cluster = np.array([limbus.x, limbus.y]) + rng.normal(0, 1.1, 2) * limbus.radius
        for _ in range(int(rng.integers(3, 25))):
            spot = cluster + rng.normal(0, 0.4, 2) * limbus.radius
            _glint(rng, image, spot, height * rng.uniform(0.001, 0.008))
    if traits.bubbles:
        _paint_bubbles(rng, image, limbus)


def _paint_lamps(rng: np.random.Generator, image: Image, limbus: Ellipse) -> None:
    """Draw the microscope's lamps: two to four equal dots side by side."""
    count, size = int(rng.integers(2, 5)), limbus.radius * rng.uniform(0.02, 0.08)
    center = np.array([limbus.x, limbus.y]) + rng.normal(0, 0.25, 2) * limbus.radius
    apart = size * rng.uniform(2, 6)
    turn = rng.uniform(0, np.pi)
    for number in range(count):
        if chance(rng, 0.5):
            offset = np.array([np.cos(turn), np.sin(turn)]) * (number - count / 2) * apart
        else:
            angle = turn + 2 * np.pi * number / count
            offset = np.array([np.cos(angle), np.sin(angle)]) * apart / 2
        _glint(rng, image, center + offset, size)


def _paint_bubbles(rng: np.random.Generator, image: Image, limbus: Ellipse) -> None:
    center = np.array([limbus.x, limbus.y]) + rng.normal(0, 0.6, 2) * limbus.radius
    for _ in range(int(rng.integers(1, 10))):
        spot = center + rng.normal(0, 0.5, 2) * limbus.radius
        size = max(2, round(limbus.radius * rng.uniform(0.03, 0.2)))
        shade = triple(rng.uniform(90, 240) * np.array([1, 0.95, 0.85]))
        cv2.circle(image, pixel(spot), size, shade, max(1, size // 8), cv2.LINE_AA)
        if size > 3:
            _glint(rng, image, spot + np.array([-0.4, -0.4]) * size, size * 0.2)


def _glint(
    rng: np.random.Generator, image: Image, center: np.ndarray[tuple[int], np.dtype[np.float64]],
    size: float,
) -> None:  # fmt: skip
    axes = (max(1, round(size)), max(1, round(size * rng.uniform(0.3, 1))))
    tint = triple(255 - rng.uniform(0, 40, 3))
    cv2.ellipse(image, pixel(center), axes, rng.uniform(0, 180), 0, 360, tint, -1, cv2.LINE_AA)
