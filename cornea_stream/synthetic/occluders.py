"""What covers the limbus out of focus: gloved fingers, hands, swabs and sponges."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from cornea_stream.synthetic.shapes import (
    Ellipse,
    Image,
    Plane,
    blend,
    chance,
    color,
    pixel,
    smooth_noise,
    triple,
)

_GLOVE = [
    (205, 205, 215), (190, 180, 160), (225, 220, 210), (110, 130, 170), (160, 130, 105),
    (215, 190, 165), (120, 125, 130), (70, 110, 100), (200, 190, 205), (60, 55, 60),
]  # fmt: skip
_COTTON = [(235, 235, 238), (220, 215, 205), (245, 240, 225), (200, 205, 215)]
MOST_HIDDEN = 0.36
"""Share of the limbus in view that soft things may hide: more, and nobody knows where it runs."""
Vector = npt.NDArray[np.float64]


def paint_occluders(rng: np.random.Generator, image: Image, limbus: Ellipse) -> None:
    """Draw one or two soft things that reach over the limbus, (H, W, 3) uint8, in place."""
    hidden = np.zeros(image.shape[:2], np.float32)
    for least in (0.08, 0.0)[: int(rng.choice([1, 2], p=[0.7, 0.3]))]:
        for _ in range(8):
            make = _swab if chance(rng, 0.35) else _hand
            alpha, layer = make(rng, limbus, image)
            both = np.maximum(hidden, alpha)
            if least <= hidden_share(both, limbus) <= MOST_HIDDEN:
                hidden = both
                _lay(image, layer, alpha)
                break


def _lay(image: Image, layer: Plane, alpha: Plane) -> None:
    canvas = image.astype(np.float32)
    blend(canvas, alpha, layer)
    image[:] = canvas.astype(np.uint8)


def hidden_share(alpha: Plane, limbus: Ellipse) -> float:
    """Return the share of the limbus in view that the (H, W) cover hides, 0–1."""
    height, width = alpha.shape
    columns, rows = limbus.outline(72)
    in_view = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    if not in_view.any():
        return 0.0
    return float((alpha[rows[in_view], columns[in_view]] > 0.5).mean())


def _hand(rng: np.random.Generator, limbus: Ellipse, image: Image) -> tuple[Plane, Plane]:
    """Return alpha and color of one to four fingers side by side, from beyond the border."""
    height, width = image.shape[:2]
    angle = rng.uniform(0, 2 * np.pi)
    toward = np.array([np.cos(angle), np.sin(angle)])
    aside = np.array([-toward[1], toward[0]])
    turn = rng.normal(0, 0.7)  # a finger may pass by the limbus instead of pointing at it
    away = toward * np.cos(turn) + aside * np.sin(turn)
    thickness = limbus.radius * rng.uniform(0.35, 1.1)
    base = color(rng, _GLOVE, 12)
    alpha, layer = _empty(height, width, base)
    first = limbus.point(angle - limbus.angle, rng.uniform(0.45, 1.3))
    for number in range(int(rng.integers(1, 5))):
        tip = first + toward * thickness * (0.5 + rng.uniform(0, 0.5)) + aside * number * thickness
        shade = base * np.float32(rng.uniform(0.7, 1.1))
        spread = away + aside * rng.normal(0, 0.15)
        _capsule(alpha, layer, tip, tip + spread * 3 * max(height, width), thickness / 2, shade)
    return _defocus(rng, alpha, layer, limbus.radius * rng.uniform(0.02, 0.16), 0.1)


def _swab(rng: np.random.Generator, limbus: Ellipse, image: Image) -> tuple[Plane, Plane]:
    """Return alpha and color of a cotton bud or a spear-shaped sponge on a stick."""
    height, width = image.shape[:2]
    angle = rng.uniform(0, 2 * np.pi)
    tip = limbus.point(angle - limbus.angle, rng.uniform(0.6, 1.2))
    away = angle + rng.normal(0, 0.8)
    toward = np.array([np.cos(away), np.sin(away)])
    aside = np.array([-toward[1], toward[0]])
    cotton = color(rng, _COTTON, 8)
    alpha, layer = _empty(height, width, cotton)
    size = limbus.radius * rng.uniform(0.12, 0.4)
    end = tip + toward * 4000
    stick = color(rng, [(190, 160, 120), (230, 230, 235), (120, 150, 200)], 12)
    _capsule(alpha, layer, tip + toward * size * 3, end, size * 0.3, stick)
    if chance(rng, 0.5):
        _capsule(alpha, layer, tip + toward * size, tip + toward * size * 3.5, size, cotton)
    else:
        length = size * rng.uniform(3, 7)
        corners = [tip, tip + toward * length + aside * size, tip + toward * length - aside * size]
        points = [np.rint(corners).astype(np.int32)]
        cv2.fillPoly(alpha, points, 1.0, cv2.LINE_AA)
        cv2.fillPoly(layer, points, triple(cotton), cv2.LINE_AA)
    return _defocus(rng, alpha, layer, limbus.radius * rng.uniform(0.005, 0.08), 0.06)


def _empty(height: int, width: int, tint: npt.NDArray[np.float32]) -> tuple[Plane, Plane]:
    layer = np.empty((height, width, 3), np.float32)
    layer[:] = tint
    return np.zeros((height, width), np.float32), layer


def _capsule(
    alpha: Plane, layer: Plane, start: Vector, end: Vector, half: float,
    tint: npt.NDArray[np.float32],
) -> None:  # fmt: skip
    """Draw a rod with round ends, rounded by its shading too."""
    along = (end - start) / max(1e-6, float(np.hypot(*(end - start))))
    aside = np.array([-along[1], along[0]])
    for share, light in ((1.0, 0.72), (0.75, 0.9), (0.45, 1.0)):
        shift = aside * half * (1 - share) * 0.4
        width = max(1, round(2 * half * share))
        shade = triple(np.minimum(tint * light, 255))
        first, last = pixel(start + shift), pixel(np.clip(end + shift, -9000, 9000))
        cv2.line(layer, first, last, shade, width, cv2.LINE_AA)
        cv2.circle(layer, first, width // 2, shade, -1, cv2.LINE_AA)
    width = max(1, round(2 * half))
    cv2.line(alpha, pixel(start), pixel(end), 1.0, width, cv2.LINE_AA)
    cv2.circle(alpha, pixel(start), width // 2, 1.0, -1, cv2.LINE_AA)


def _defocus(
    rng: np.random.Generator, alpha: Plane, layer: Plane, blur: float, uneven: float
) -> tuple[Plane, Plane]:
    """Return alpha and color blurred by `blur` pixels, with creases of some strength."""
    height, width = alpha.shape
    size = (max(1, 2 * round(blur) + 1),) * 2
    soft = np.clip(cv2.blur(cv2.blur(alpha, size), size), 0, 1)
    creases = 1 + uneven * smooth_noise(rng, height, width, rng.uniform(4, 20))
    shaded = cv2.blur(layer, size) * (creases * rng.uniform(0.5, 1.1))[..., None]
    return np.asarray(soft, np.float32), np.clip(shaded, 0, 255).astype(np.float32)
