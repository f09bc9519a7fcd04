"""Ellipses, smooth noise and blending: what all painters share."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]
Color = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Ellipse:
    """An ellipse in pixels: center, semi-axes, angle of the first axis in radians."""

    x: float
    y: float
    a: float
    b: float
    angle: float

    @property
    def radius(self) -> float:
        """Mean radius in pixels."""
        return float(np.sqrt(self.a * self.b))

    def polar(self, height: int, width: int) -> tuple[Plane, Plane]:
        """Return (H, W) float32 radius, 1 on the ellipse, and angle in -pi..pi."""
        dx = np.arange(width, dtype=np.float32)[None, :] - np.float32(self.x)
        dy = np.arange(height, dtype=np.float32)[:, None] - np.float32(self.y)
        cos, sin = np.float32(np.cos(self.angle)), np.float32(np.sin(self.angle))
        u = (dx * cos + dy * sin) / np.float32(self.a)
        v = (dy * cos - dx * sin) / np.float32(self.b)
        radius, angle = cv2.cartToPolar(u, v)
        return np.asarray(radius, np.float32), np.asarray(angle - np.pi, np.float32)

    def mask(self, height: int, width: int) -> Image:
        """Return (H, W) uint8, 255 where the pixel's center lies inside, else 0."""
        dx = np.arange(width, dtype=np.float32)[None, :] - np.float32(self.x)
        dy = np.arange(height, dtype=np.float32)[:, None] - np.float32(self.y)
        cos, sin = np.float32(np.cos(self.angle)), np.float32(np.sin(self.angle))
        u = (dx * cos + dy * sin) / np.float32(self.a)
        v = (dy * cos - dx * sin) / np.float32(self.b)
        return np.where(u * u + v * v <= 1, 255, 0).astype(np.uint8)

    def outline(
        self, count: int, reach: float = 1.0
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Return x and y in whole pixels of `count` points, at `reach` times the radius."""
        along = np.linspace(0, 2 * np.pi, count, endpoint=False)
        u, v = reach * self.a * np.cos(along), reach * self.b * np.sin(along)
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        x, y = self.x + u * cos - v * sin, self.y + u * sin + v * cos
        return np.rint(x).astype(np.intp), np.rint(y).astype(np.intp)

    def point(self, angle: float, reach: float = 1.0) -> npt.NDArray[np.float64]:
        """Return the (2,) x and y in pixels at `angle` from the first axis, `reach` radii out."""
        u, v = reach * self.a * np.cos(angle), reach * self.b * np.sin(angle)
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return np.array([self.x + u * cos - v * sin, self.y + u * sin + v * cos])

    def scaled(self, factor: float) -> Ellipse:
        """Return the ellipse with its axes times `factor`."""
        return Ellipse(self.x, self.y, self.a * factor, self.b * factor, self.angle)

    def crop(self, height: int, width: int, reach: float) -> tuple[tuple[slice, slice], Ellipse]:
        """Return the part of a (height, width) picture within `reach` radii, and the ellipse there.

        The part is never empty, even where the ellipse lies outside of the picture.
        """
        far = reach * max(self.a, self.b) + 1
        left = int(np.clip(self.x - far, 0, width - 2))
        top = int(np.clip(self.y - far, 0, height - 2))
        right = int(np.clip(self.x + far + 1, left + 2, width))
        bottom = int(np.clip(self.y + far + 1, top + 2, height))
        moved = Ellipse(self.x - left, self.y - top, self.a, self.b, self.angle)
        return np.s_[top:bottom, left:right], moved

    def moved(self, matrix: npt.NDArray[np.float64]) -> Ellipse:
        """Return the ellipse under a (2, 3) similarity transform."""
        x, y = matrix @ np.array([self.x, self.y, 1.0])
        scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
        turn = float(np.arctan2(matrix[1, 0], matrix[0, 0]))
        return Ellipse(float(x), float(y), self.a * scale, self.b * scale, self.angle + turn)


def chance(rng: np.random.Generator, probability: float) -> bool:
    """Return True with this probability."""
    return bool(rng.random() < probability)


def color(rng: np.random.Generator, choices: list[tuple[int, int, int]], spread: float) -> Color:
    """Return one of the RGB `choices` with random spread, (3,) float32 in 0–255."""
    base = np.asarray(choices[rng.integers(len(choices))], np.float32)
    drawn = base * rng.uniform(0.8, 1.15) + rng.normal(0, spread, 3)
    return np.asarray(np.clip(drawn, 0, 255), np.float32)


def smooth_noise(rng: np.random.Generator, height: int, width: int, cells: float) -> Plane:
    """Return (H, W) float32 noise of unit variance with about `cells` bumps along the height."""
    rows = max(2, round(cells))
    columns = max(2, round(cells * width / height))
    grid = rng.normal(size=(rows, columns)).astype(np.float32)
    return np.asarray(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def tissue(rng: np.random.Generator, height: int, width: int) -> Plane:
    """Return (H, W) float32 noise of about unit variance with detail at every scale, as tissue."""
    cells = np.array([3, 8, 20, 50, 110])
    shares = cells ** -rng.uniform(0.2, 0.9)
    total = np.zeros((height, width), np.float32)
    for count, share in zip(cells, shares / np.hypot.reduce(shares), strict=True):
        cv2.scaleAdd(smooth_noise(rng, height, width, count), float(share), total, total)
    return total


def step(distance: Plane, softness: float) -> Plane:
    """Return 0 for negative and 1 for positive `distance`, with a ramp `softness` wide."""
    return np.asarray(np.clip(distance / np.float32(softness) + 0.5, 0, 1), np.float32)


def blend(canvas: Plane, alpha: Plane, over: Plane | Color) -> None:
    """Lay `over`, an (H, W, 3) image or one (3,) color, on `canvas` by (H, W) alpha, in place."""
    x, y, width, height = cv2.boundingRect((alpha > 0).view(np.uint8))
    if width == 0:
        return
    box = np.s_[y : y + height, x : x + width]
    part = canvas[box]
    share = cv2.merge([alpha[box]] * 3)
    change = np.subtract(over[box] if over.ndim == 3 else over, part)
    part += cv2.multiply(change, share, change)


def stain(
    rng: np.random.Generator, canvas: Plane, spot: Ellipse, tint: Color, strength: float
) -> None:
    """Lay a ragged stain with soft edges about as large as `spot` on the canvas, in place."""
    box, local = spot.crop(canvas.shape[0], canvas.shape[1], 1.8)
    part = canvas[box]
    height, width = part.shape[:2]
    radius, _ = local.polar(height, width)
    ragged = smooth_noise(rng, height, width, 4) + np.float32(0.6) * smooth_noise(
        rng, height, width, rng.uniform(8, 16)
    )
    # The noise fades towards the box's border, where nothing may be left of the stain.
    fade = np.clip(radius, 0, 1) * np.clip(np.float32(1.7) - radius, 0, 1)
    edge = 1 - radius + np.float32(rng.uniform(0.2, 0.7)) * ragged * fade
    blend(part, step(edge, rng.uniform(0.1, 0.8)) * np.float32(strength), tint)


def triple(values: npt.ArrayLike) -> tuple[float, float, float]:
    """Return three numbers as the plain floats that OpenCV takes for a color."""
    red, green, blue = np.asarray(values, np.float64)
    return float(red), float(green), float(blue)


def pixel(xy: npt.ArrayLike) -> tuple[int, int]:
    """Return a point as whole numbers."""
    x, y = np.rint(np.asarray(xy, np.float64))
    return int(x), int(y)


def spokes(rng: np.random.Generator, radius: Plane, angle: Plane) -> Plane:
    """Return (H, W) float32 noise along rays from the center, as the fibers of an iris."""
    texture = rng.normal(size=(6, int(rng.integers(24, 110)))).astype(np.float32)
    columns = (angle / (2 * np.pi) + 0.5) * (texture.shape[1] - 1)
    rows = np.clip(radius, 0, 1) * 5
    return np.asarray(
        cv2.remap(texture, columns.astype(np.float32), rows.astype(np.float32), cv2.INTER_LINEAR),
        np.float32,
    )
