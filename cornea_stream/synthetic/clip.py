"""A moving clip: one eye drifting under the microscope while instruments work."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from cornea_stream.synthetic.camera import add_noise, grade
from cornea_stream.synthetic.frame import paint_scene
from cornea_stream.synthetic.instruments import make_instrument
from cornea_stream.synthetic.shapes import Ellipse, Image
from cornea_stream.synthetic.traits import draw_traits


def generate_clip(
    seed: int, frames: int, height: int = 768, width: int = 1024, *, kind: str | None = None
) -> Iterator[tuple[Image, Image]]:
    """Yield `frames` pairs: RGB (H, W, 3) uint8 and its exact mask (H, W) uint8, 0 or 255.

    The eye is painted once, with a margin, and moved by a smooth similarity transform (drift,
    slight zoom and turn); instruments are drawn anew on every frame. The first frames do not
    depend on `frames`. `kind` names one of the traits in `cornea_stream.synthetic.KINDS` that the
    scene is sure to have. Raises ValueError for an unknown kind.
    """
    rng = np.random.default_rng(seed)
    margin = height // 8
    tall, wide = height + 2 * margin, width + 2 * margin
    radius = height * rng.uniform(0.17, 0.28)
    limbus = Ellipse(
        wide * rng.uniform(0.42, 0.58), tall * rng.uniform(0.42, 0.58),
        radius * rng.uniform(0.95, 1.05), radius, 0.0,
    )  # fmt: skip
    traits = draw_traits(rng, *([kind] if kind else []))
    scene = grade(rng, paint_scene(rng, limbus, tall, wide, traits))
    tools = [make_instrument(rng, limbus) for _ in range(int(rng.integers(1, 3)))]
    phases = rng.uniform(0, 2 * np.pi, 12)
    for index in range(frames):
        motion = _motion(index, phases, height, margin, limbus)
        image = np.asarray(
            cv2.warpAffine(scene, motion, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8
        )
        for number, tool in enumerate(tools):
            stroke = _wave(index, phases[6 + 3 * number : 9 + 3 * number], 45) * radius * 0.5
            tool.moved(np.array([stroke - margin, stroke * 0.7 - margin])).draw(image)
        frame_rng = np.random.default_rng((seed, index))
        yield add_noise(frame_rng, image, 2.0), limbus.moved(motion).mask(height, width)


def _motion(
    index: int, phases: npt.NDArray[np.float64], height: int, margin: int, limbus: Ellipse
) -> npt.NDArray[np.float64]:
    """Return the (2, 3) transform from the painted scene to frame `index`."""
    turn = np.degrees(0.03) * _wave(index, phases[4:6], 150)
    zoom = 1 + 0.04 * _wave(index, phases[0:2], 200)
    matrix = np.asarray(cv2.getRotationMatrix2D((limbus.x, limbus.y), turn, zoom), np.float64)
    reach = 0.04 * height
    matrix[0, 2] += reach * _wave(index, phases[0:3], 90) - margin
    matrix[1, 2] += reach * _wave(index, phases[2:5], 110) - margin
    return matrix


def _wave(index: int, phases: npt.NDArray[np.float64], period: float) -> float:
    """Return a smooth wave within -1..1, its main period in frames."""
    harmonics = np.arange(1, len(phases) + 1)
    waves = np.sin(2 * np.pi * index * harmonics / period + phases) / harmonics
    return float(waves.sum() / (1 / harmonics).sum())
