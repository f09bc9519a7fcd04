"""All around the cornea: sclera, vessels, blood, lids, lashes, drapes, speculum."""

from __future__ import annotations

import cv2
import numpy as np

from cornea_stream.synthetic.shapes import (
    Color,
    Ellipse,
    Image,
    Plane,
    blend,
    chance,
    color,
    smooth_noise,
    step,
    tissue,
)

_DRAPE = [
    (8, 22, 14), (14, 34, 22), (4, 8, 5), (25, 14, 8), (30, 60, 90), (25, 75, 85),
    (120, 140, 150), (60, 60, 66), (90, 70, 65), (190, 190, 195),
]  # fmt: skip
_SKIN = [(120, 80, 50), (150, 105, 75), (70, 45, 28), (165, 110, 50), (190, 150, 130), (95, 85, 95)]
_SCLERA = [
    (225, 215, 180), (205, 200, 165), (235, 225, 210), (225, 190, 165), (215, 160, 145),
    (190, 120, 110), (175, 165, 185), (200, 175, 190),
]  # fmt: skip
_INFLAMED = [(60, -25, -20), (45, -30, 10), (35, -10, -45), (30, -30, 40)]
_BLOOD = [(150, 20, 18), (110, 15, 15), (185, 50, 40)]


def paint_surroundings(rng: np.random.Generator, canvas: Plane, limbus: Ellipse) -> Color:
    """Paint drapes, lids and sclera on the (H, W, 3) canvas, in place; return the sclera's RGB."""
    paint_drape(rng, canvas)
    height, width = canvas.shape[:2]
    dx = (np.arange(width, dtype=np.float32)[None, :] - limbus.x) / limbus.a
    dy = (np.arange(height, dtype=np.float32)[:, None] - limbus.y) / limbus.b
    opening = _opening(rng, dx, dy)
    if chance(rng, 0.75):
        skin = np.broadcast_to(color(rng, _SKIN, 8) * rng.uniform(0.3, 1), canvas.shape).copy()
        skin *= (1 + rng.uniform(0.05, 0.3) * tissue(rng, height, width))[..., None]
        blend(canvas, step(opening + rng.uniform(0.2, 1.8), rng.uniform(0.2, 1.2)), skin)
        _paint_lashes(rng, canvas, limbus)
    sclera = color(rng, _SCLERA, 6)
    _paint_sclera(rng, canvas, limbus, sclera, step(opening, rng.uniform(0.04, 0.5)))
    return sclera


def paint_drape(rng: np.random.Generator, canvas: Plane) -> None:
    """Fill the canvas with cloth or plastic: folds, weave, glare."""
    height, width = canvas.shape[:2]
    canvas[:] = color(rng, _DRAPE, 8)
    folds = smooth_noise(rng, height, width, rng.uniform(2, 9))
    canvas *= (1 + rng.uniform(0, 0.45) * folds)[..., None]
    for _ in range(int(rng.integers(1, 4)) if chance(rng, 0.4) else 0):
        _paint_sheet(rng, canvas)
    if chance(rng, 0.3):
        canvas *= (1 + 0.2 * smooth_noise(rng, height, width, 90))[..., None]
    if chance(rng, 0.4):
        glare = np.abs(smooth_noise(rng, height, width, rng.uniform(3, 14))) < 0.05
        soft = cv2.GaussianBlur(glare.astype(np.float32), (0, 0), height / 300)
        canvas += np.asarray(soft, np.float32)[..., None] * rng.uniform(30, 180)
    np.clip(canvas, 0, 255, out=canvas)


def _paint_sheet(rng: np.random.Generator, canvas: Plane) -> None:
    """Lay a strip of tape, gauze or plastic with straight edges over the canvas."""
    height, width = canvas.shape[:2]
    angle = rng.uniform(0, 2 * np.pi)
    across = (
        (np.arange(width, dtype=np.float32)[None, :] - width * rng.random()) * np.cos(angle)
        + (np.arange(height, dtype=np.float32)[:, None] - height * rng.random()) * np.sin(angle)
    ) / height  # fmt: skip
    edge = step(np.asarray(across, np.float32), rng.uniform(0.01, 0.1)) * rng.uniform(0.3, 1)
    shade = 1 + rng.uniform(0, 0.3) * tissue(rng, height, width)
    blend(canvas, np.asarray(edge, np.float32), shade[..., None] * color(rng, _DRAPE + _SKIN, 10))


def _opening(rng: np.random.Generator, dx: Plane, dy: Plane) -> Plane:
    """Signed distance-like field, positive between the lids, in units of the cornea's radius."""
    half_width = rng.uniform(1.7, 3.5)
    center_x = rng.normal(0, 0.25)
    over = rng.uniform(1.0, 2.2) if chance(rng, 0.8) else rng.uniform(0.6, 1.1)
    under = rng.uniform(1.1, 2.3)
    power = rng.uniform(1.4, 4)
    across = np.abs((dx - np.float32(center_x)) / np.float32(half_width)) ** np.float32(power)
    upper = dy + np.float32(over) * (1 - across)
    lower = np.float32(under) * (1 - across) - dy
    return np.asarray(np.minimum(upper, lower), np.float32)


def _paint_sclera(
    rng: np.random.Generator, canvas: Plane, limbus: Ellipse, tint: Color, alpha: Plane
) -> None:
    height, width = canvas.shape[:2]
    small = np.full((height, width, 3), tint, np.float32)
    patches = smooth_noise(rng, height, width, rng.uniform(3, 10))
    pink = np.float32(rng.uniform(0, 0.3)) * np.clip(patches, 0, 2)
    blend(small, np.minimum(pink, 1), color(rng, _BLOOD, 15) + np.float32(50))
    distance = np.hypot(
        np.arange(width, dtype=np.float32)[None, :] - limbus.x,
        np.arange(height, dtype=np.float32)[:, None] - limbus.y,
    ) / np.float32(limbus.radius)
    small *= np.clip(1.15 - rng.uniform(0, 0.45) * (distance - 1), 0.2, 1.2)[..., None]
    small *= (1 + rng.uniform(0, 0.15) * tissue(rng, height, width))[..., None]
    if chance(rng, 0.4):  # inflamed or bloodshot conjunctiva
        flush = np.asarray(_INFLAMED[rng.integers(len(_INFLAMED))], np.float32)
        amount = rng.uniform(0.3, 1.2) + rng.uniform(0.2, 0.8) * tissue(rng, height, width)
        small += np.clip(amount, 0, 2.5)[..., None] * flush
        np.clip(small, 0, 255, out=small)
    _paint_vessels(rng, small, limbus)
    for _ in range(int(rng.integers(0, 7)) if chance(rng, 0.4) else 0):
        _paint_blot(rng, small, limbus)
    blend(canvas, alpha, small)


def _paint_vessels(rng: np.random.Generator, canvas: Plane, limbus: Ellipse) -> None:
    layer = canvas.copy()
    for _ in range(int(rng.integers(0, 30))):
        angle = rng.uniform(0, 2 * np.pi)
        reach = np.linspace(rng.uniform(1.0, 1.4), rng.uniform(1.4, 3), 8)
        bends = angle + np.cumsum(rng.normal(0, 0.05, 8))
        points = np.stack([limbus.x + limbus.a * reach * np.cos(bends),
                           limbus.y + limbus.b * reach * np.sin(bends)], axis=1)  # fmt: skip
        tint = tuple(float(v) for v in color(rng, _BLOOD, 15) + np.float32(30))
        thickness = max(1, round(limbus.radius * rng.uniform(0.005, 0.03)))
        cv2.polylines(layer, [points.astype(np.int32)], False, tint, thickness, cv2.LINE_AA)
    canvas += (layer - canvas) * np.float32(rng.uniform(0.2, 0.8))


def _paint_blot(rng: np.random.Generator, canvas: Plane, limbus: Ellipse) -> None:
    angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.95, 1.8)
    center = np.array([limbus.x + limbus.a * reach * np.cos(angle),
                       limbus.y + limbus.b * reach * np.sin(angle)])  # fmt: skip
    points = center + rng.normal(0, rng.uniform(0.04, 0.3), (7, 2)) * limbus.radius
    tint = tuple(float(v) for v in color(rng, _BLOOD, 15))
    cv2.fillConvexPoly(canvas, cv2.convexHull(points.astype(np.int32)), tint, cv2.LINE_AA)


def _paint_lashes(rng: np.random.Generator, canvas: Plane, limbus: Ellipse) -> None:
    if chance(rng, 0.6):
        return
    side = rng.choice([-1, 1])
    tint = tuple(float(v) for v in rng.uniform(0, 50, 3))
    for _ in range(int(rng.integers(8, 40))):
        root = limbus.x + rng.normal(0, 1.3) * limbus.a
        start = np.array([root, limbus.y + side * rng.uniform(1.2, 1.9) * limbus.b])
        end = start + np.array([rng.normal(0, 0.15), side * rng.uniform(0.1, 0.5)]) * limbus.radius
        thickness = max(1, round(limbus.radius * 0.015))
        cv2.line(canvas, _point(start), _point(end), tint, thickness, cv2.LINE_AA)


def paint_speculum(rng: np.random.Generator, image: Image, limbus: Ellipse) -> None:
    """Draw the wire loops of a lid speculum on the (H, W, 3) uint8 image, in place."""
    tint = tuple(float(v) for v in color(rng, [(30, 60, 50), (110, 115, 115), (15, 30, 25)], 12))
    thickness = max(1, round(limbus.radius * rng.uniform(0.03, 0.1)))
    for side in (-1, 1):
        for reach in (-1, 1):
            if chance(rng, 0.25):
                continue
            x = limbus.x + reach * limbus.a * rng.uniform(0.6, 1.6)
            y = limbus.y + side * limbus.b * rng.uniform(1.1, 1.8)
            far = np.array([x + rng.normal(0, 0.1) * limbus.a, y + side * 3 * limbus.b])
            near = np.array([x, y])
            hook = near + np.array([rng.normal(0, 0.3), -side * 0.05]) * limbus.radius
            points = np.stack([far, near, hook]).astype(np.int32)
            cv2.polylines(image, [points], False, tint, thickness, cv2.LINE_AA)
            shine = tuple(min(255.0, v + 90) for v in tint)
            cv2.polylines(image, [points], False, shine, max(1, thickness // 4), cv2.LINE_AA)


def paint_wetness(rng: np.random.Generator, image: Image, limbus: Ellipse) -> None:
    """Draw specular highlights and bubbles on the (H, W, 3) uint8 image, in place."""
    height = image.shape[0]
    for _ in range(int(rng.integers(1, 4))):
        center = np.array([limbus.x, limbus.y]) + rng.normal(0, 0.3, 2) * limbus.radius
        _glint(rng, image, center, limbus.radius * rng.uniform(0.02, 0.14))
    if chance(rng, 0.5):
        cluster = np.array([limbus.x, limbus.y]) + rng.normal(0, 1.1, 2) * limbus.radius
        for _ in range(int(rng.integers(3, 25))):
            spot = cluster + rng.normal(0, 0.4, 2) * limbus.radius
            _glint(rng, image, spot, height * rng.uniform(0.001, 0.008))
    for _ in range(int(rng.integers(1, 8)) if chance(rng, 0.2) else 0):
        spot = np.array([limbus.x, limbus.y]) + rng.normal(0, 1, 2) * limbus.radius
        size = max(2, round(limbus.radius * rng.uniform(0.04, 0.14)))
        shade = tuple(float(v) for v in rng.uniform(90, 240) * np.array([1, 0.95, 0.85]))
        cv2.circle(image, _point(spot), size, shade, max(1, size // 8), cv2.LINE_AA)


def _glint(
    rng: np.random.Generator, image: Image, center: np.ndarray[tuple[int], np.dtype[np.float64]],
    size: float,
) -> None:  # fmt: skip
    axes = (max(1, round(size)), max(1, round(size * rng.uniform(0.3, 1))))
    tint = tuple(float(v) for v in 255 - rng.uniform(0, 40, 3))
    cv2.ellipse(image, _point(center), axes, rng.uniform(0, 180), 0, 360, tint, -1, cv2.LINE_AA)


def _point(xy: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[int, int]:
    return round(float(xy[0])), round(float(xy[1]))
