"""What a recording system writes over the picture: bars of text, buttons, gauges, black borders."""

from __future__ import annotations

import cv2
import numpy as np

from cornea_stream.synthetic.shapes import Ellipse, Image, chance, triple


def paint_display(rng: np.random.Generator, image: Image) -> None:
    """Draw the overlay of a heads-up system on the (H, W, 3) uint8 image, in place."""
    layer = image.copy()
    if chance(rng, 0.6):
        _paint_bars(rng, layer)
    if chance(rng, 0.6):
        _paint_buttons(rng, layer)
    for _ in range(int(rng.integers(0, 4))):
        _paint_gauge(rng, layer)
    if chance(rng, 0.4):
        _write(rng, layer, int(rng.integers(0, image.shape[0])))
    share = rng.uniform(0.35, 1)
    cv2.addWeighted(layer, share, image, 1 - share, 0, image)


def paint_borders(rng: np.random.Generator, image: Image, limbus: Ellipse) -> None:
    """Black out strips along two opposite sides where the eye does not reach, in place."""
    height, width = image.shape[:2]
    shade = int(rng.integers(0, 20))
    reach = 1.1 * max(limbus.a, limbus.b)
    if chance(rng, 0.5):
        room = min(limbus.y - reach, height - limbus.y - reach, 0.14 * height)
        strip = int(room * rng.random())
        if strip > 0:
            image[:strip] = image[-strip:] = shade
    else:
        room = min(limbus.x - reach, width - limbus.x - reach, 0.2 * width)
        strip = int(room * rng.random())
        if strip > 0:
            image[:, :strip] = image[:, -strip:] = shade


def _paint_bars(rng: np.random.Generator, layer: Image) -> None:
    height = layer.shape[0]
    for at_top in (True, False):
        if chance(rng, 0.3):
            continue
        thick = max(2, int(height * rng.uniform(0.03, 0.12)))
        shade = int(rng.choice([rng.integers(0, 50), rng.integers(60, 200)]))
        rows = np.s_[:thick] if at_top else np.s_[height - thick :]
        layer[rows] = shade
        for _ in range(int(rng.integers(1, 6))):
            _write(rng, layer, round(0.75 * thick) if at_top else height - round(0.25 * thick))


def _paint_buttons(rng: np.random.Generator, layer: Image) -> None:
    height, width = layer.shape[:2]
    size = height * rng.uniform(0.02, 0.06)
    axes = (max(1, round(size * rng.uniform(0.6, 1))), max(1, round(size)))
    column = rng.uniform(0.03, 0.14)
    tint, edge = triple(rng.uniform(20, 200, 3)), triple(rng.uniform(120, 255, 3))
    sides = [s for s in (column, 1 - column) if chance(rng, 0.75)]
    for side in sides:
        for row in np.arange(rng.uniform(0.1, 0.4), rng.uniform(0.5, 0.95), rng.uniform(0.1, 0.2)):
            spot = (round(side * width), round(float(row) * height))
            cv2.ellipse(layer, spot, axes, 0, 0, 360, tint, -1, cv2.LINE_AA)
            if chance(rng, 0.6):
                cv2.ellipse(layer, spot, axes, 0, 0, 360, edge, 1, cv2.LINE_AA)


def _paint_gauge(rng: np.random.Generator, layer: Image) -> None:
    """Draw a bar, or an arc with its number, somewhere along the sides."""
    height, width = layer.shape[:2]
    x = round(width * (rng.uniform(0.03, 0.2) if chance(rng, 0.5) else rng.uniform(0.8, 0.97)))
    y = round(height * rng.uniform(0.1, 0.9))
    size = max(3, round(height * rng.uniform(0.03, 0.1)))
    tint = triple(rng.uniform(60, 255, 3))
    if chance(rng, 0.5):
        cv2.ellipse(layer, (x, y), (size, size), 0, 130, rng.uniform(180, 410), tint,
                    max(1, size // 6), cv2.LINE_AA)  # fmt: skip
    else:
        cv2.rectangle(layer, (x, y), (x + max(2, size // 4), y + 2 * size), tint, 1)
        filled = round(2 * size * rng.random())
        cv2.rectangle(layer, (x, y + filled), (x + max(2, size // 4), y + 2 * size), tint, -1)


def _write(rng: np.random.Generator, layer: Image, row: int) -> None:
    height, width = layer.shape[:2]
    text = "".join(chr(c) for c in rng.integers(40, 123, rng.integers(2, 14)))
    scale = height / 512 * rng.uniform(0.5, 1.4)
    ink = triple(rng.uniform(120, 255, 3)) if chance(rng, 0.8) else (20.0, 20.0, 20.0)
    origin = (int(rng.integers(-10, width)), row)
    cv2.putText(layer, text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, 1, cv2.LINE_AA)
