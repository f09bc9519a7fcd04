"""What the surgeon holds in focus: metal instruments, forceps, blades, swabs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from cornea_stream.synthetic.shapes import Ellipse, Image, chance, color, triple

_METAL = [(150, 155, 155), (90, 105, 100), (60, 80, 72), (190, 190, 190), (120, 100, 80)]
_PLASTIC = [(170, 140, 200), (60, 110, 190), (220, 220, 225), (230, 190, 60), (150, 200, 190)]
Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Instrument:
    """A tapering rod from `tip` to beyond the border; lengths in pixels.

    `tip` and `direction` (unit, pointing from the tip to the hand) are (2,) float64.
    """

    tip: Vector
    direction: Vector
    tip_width: float
    width: float
    neck: float
    tint: tuple[float, float, float]
    shine: float
    round_tip: bool

    def moved(self, offset: Vector) -> Instrument:
        """Return the instrument shifted by (2,) `offset` in pixels."""
        return replace(self, tip=self.tip + offset)

    def opened(self, angle: float) -> Instrument:
        """Return the instrument turned by `angle` in radians about where it leaves the eye."""
        hinge = self.tip + self.direction * 3 * self.neck
        cos, sin = np.cos(angle), np.sin(angle)
        turn = np.array([[cos, -sin], [sin, cos]])
        direction = turn @ self.direction
        return replace(self, tip=hinge - direction * 3 * self.neck, direction=direction)

    def draw(self, image: Image) -> None:
        """Draw on the (H, W, 3) uint8 image, in place: body, dark flank, bright streak."""
        light = tuple(min(255.0, v + self.shine) for v in self.tint)
        dark = tuple(v * 0.55 for v in self.tint)
        cv2.fillPoly(image, [self._outline(-1.0, 1.0)], self.tint, cv2.LINE_AA)
        cv2.fillPoly(image, [self._outline(0.4, 1.0)], dark, cv2.LINE_AA)
        cv2.fillPoly(image, [self._outline(-0.6, -0.2)], light, cv2.LINE_AA)
        if self.round_tip:
            center = (round(float(self.tip[0])), round(float(self.tip[1])))
            cv2.circle(image, center, max(1, round(self.tip_width)), light, -1, cv2.LINE_AA)

    def draw_shadow(self, image: Image, strength: float) -> None:
        """Darken the (H, W, 3) uint8 image beside the instrument, in place."""
        height, width = image.shape[:2]
        offset = np.array([self.width, self.width * 0.7])
        shade = np.zeros((height, width), np.float32)
        cv2.fillPoly(shade, [self.moved(offset)._outline(-1.0, 1.0)], strength)
        soft = np.asarray(cv2.blur(shade, (max(3, round(self.width)),) * 2))
        image[:] = (image * (1 - soft[..., None])).astype(np.uint8)

    def _outline(self, left: float, right: float) -> npt.NDArray[np.int32]:
        side = np.array([-self.direction[1], self.direction[0]])
        neck = self.tip + self.direction * self.neck
        end = self.tip + self.direction * 4000
        points = [
            self.tip + side * left * self.tip_width,
            neck + side * left * self.width,
            end + side * left * self.width,
            end + side * right * self.width,
            neck + side * right * self.width,
            self.tip + side * right * self.tip_width,
        ]
        return np.asarray(points).astype(np.int32)


def make_instrument(rng: np.random.Generator, limbus: Ellipse) -> Instrument:
    """Return an instrument, blade or swab whose tip lies on or near the cornea."""
    scale = limbus.radius
    angle = rng.normal(np.pi / 2, 0.9) if chance(rng, 0.75) else rng.uniform(0, 2 * np.pi)
    direction = np.array([np.cos(angle), np.sin(angle)])
    tip = np.array([limbus.x, limbus.y]) + rng.normal(0, 0.6, 2) * scale
    kind = rng.random()
    tints = _METAL if kind < 0.75 else _PLASTIC
    width = scale * rng.uniform(0.025, 0.16)
    tip_width, neck = width * rng.uniform(0.1, 1), scale * rng.uniform(0.3, 2)
    if kind > 0.88:  # swab
        width, tints = scale * rng.uniform(0.1, 0.5), [(235, 235, 238), (220, 215, 205)]
        tip_width = width * rng.uniform(0.6, 1)
    elif kind > 0.62:  # blade or thick handle
        width, tip_width = scale * rng.uniform(0.1, 0.3), 0.0
    if chance(rng, 0.2):  # a swab or handle lying beside the eye
        tip = tip + rng.normal(0, 1.8, 2) * scale
        width = max(width, scale * rng.uniform(0.1, 0.6))
    tint = color(rng, tints, 15)
    return Instrument(
        tip, direction, tip_width, width, neck,
        triple(tint), float(rng.uniform(20, 150)),
        kind > 0.88 or chance(rng, 0.2),
    )  # fmt: skip


def paint_instruments(rng: np.random.Generator, image: Image, limbus: Ellipse, count: int) -> None:
    """Draw `count` instruments with their shadows on the (H, W, 3) uint8 image, in place."""
    for _ in range(count):
        tool = make_instrument(rng, limbus)
        if chance(rng, 0.4):
            tool.draw_shadow(image, rng.uniform(0.2, 0.6))
        tool.draw(image)
        if chance(rng, 0.15):  # the other jaw of a forceps
            tool.opened(float(rng.uniform(0.04, 0.2))).draw(image)
