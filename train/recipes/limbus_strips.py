"""What the network that reads the limbus learns from: the image around outlines, unrolled.

Around each frame's true outline some are drawn that are off as a network's are: in size, place and
axes. Batches of them are turned, in other light, and hidden in part.
"""

from __future__ import annotations

import math
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from torch.utils.data import DataLoader, Dataset

from cornea_stream.postprocess.limbus_network import DIRECTIONS, OFFSETS, around_outline
from cornea_stream.postprocess.unroll import directions_of, unrolled
from cornea_stream.synthetic.shapes import Ellipse
from cornea_train.recipes.frames import Sample, TrainingFrames, ellipse_of

SIZE = (256, 416)
"""Height and width of the images: the input of the default weights."""
OUTLINES = 6
"""Outlines that are drawn around each frame's cornea."""
DISAGREEMENT = 0.04
"""Share of a direction's places in which mask and ellipse may differ for it to be known."""


class Around(NamedTuple):
    """What lies around an outline; several have one more axis in front.

    `colors` (60, 33, 3) uint8, `inside` (60, 33) whether they lie in the image, `limbus` (60,)
    its distance from the outline in radii, and `known` (60,) whether the mask agrees with it.
    """

    colors: npt.NDArray[np.uint8]
    inside: npt.NDArray[np.bool_]
    limbus: npt.NDArray[np.float32]
    known: npt.NDArray[np.bool_]


class Outlines(Dataset[list[Around]]):
    """What lies around a few outlines of each frame, decided by the index."""

    def __init__(self, seed: int, real: list[Sample], real_share: float) -> None:
        self.seed, self.frames = seed, TrainingFrames(SIZE, seed, real, real_share)

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> list[Around]:
        image, mask = self.frames[index]
        rng = np.random.default_rng((self.seed, index))
        limbus = ellipse_of(mask)
        if limbus is None:
            return []
        drawn = (off_by_a_little(rng, limbus) for _ in range(OUTLINES))
        height, width = mask.shape
        return [
            around(image, mask, limbus, outline)
            for outline in drawn
            if 0 < outline.x < width and 0 < outline.y < height
        ]


def off_by_a_little(rng: np.random.Generator, limbus: Ellipse) -> Ellipse:
    """Return an ellipse that lies off the limbus as the outline of a network does."""
    much = rng.choice([0.5, 1.0, 1.5, 2.0], p=[0.3, 0.3, 0.25, 0.15])
    x, y = rng.normal(0, 0.05 * much, 2) * limbus.radius
    size, stretch = np.exp(rng.normal(0, 0.05 * much)), np.exp(rng.normal(0, 0.03 * much))
    first, second = limbus.a * size * stretch, limbus.b * size / stretch
    return Ellipse(limbus.x + x, limbus.y + y, first, second, limbus.angle)


def around(
    image: npt.NDArray[np.uint8], mask: npt.NDArray[np.uint8], limbus: Ellipse, outline: Ellipse
) -> Around:
    """Return what lies around an outline whose center is in the image."""
    directions = directions_of(DIRECTIONS)
    center = np.array([outline.x, outline.y])
    radii = distances(outline, center, directions)
    offset = distances(limbus, center, directions) / radii - 1
    colors, inside = around_outline(image, center, directions, radii)
    covered, _ = unrolled(mask, center, directions, np.multiply.outer(radii, 1 + OFFSETS))
    within = (offset[:, None] > OFFSETS).mean(axis=1)
    known = np.abs((covered > 127).mean(axis=1) - within) < DISAGREEMENT
    return Around(np.rint(colors).astype(np.uint8), inside, offset.astype(np.float32), known)


def distances(
    ellipse: Ellipse, center: npt.NDArray[np.float64], directions: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return (N,) distances of an ellipse from a point inside it, along (N, 2) directions."""
    cosine, sine = math.cos(ellipse.angle), math.sin(ellipse.angle)
    to_circle = np.array([[cosine, sine], [-sine, cosine]]) / [[ellipse.a], [ellipse.b]]
    start, along = to_circle @ (center - [ellipse.x, ellipse.y]), directions @ to_circle.T
    square, product = (along**2).sum(axis=1), along @ start
    root = np.sqrt(np.maximum(product**2 - square * (start @ start - 1), 0))
    return np.asarray((root - product) / square)


def collect(
    frames: int, seed: int, workers: int, real: list[Sample] | None = None, real_share: float = 0
) -> Around:
    """Return what lies around the outlines of so many frames, of which a share is real."""
    loader = DataLoader(
        Outlines(seed, real or [], real_share),
        batch_size=None,
        collate_fn=list,
        num_workers=workers,
        multiprocessing_context="spawn" if workers else None,
    )
    drawn = [strip for of_frame in islice(loader, frames) for strip in of_frame]
    if not drawn:
        raise SystemExit(f"no cornea in {frames} frames: take more --frames")
    return Around._make(np.stack(part) for part in zip(*drawn, strict=True))


def batch_of(rng: np.random.Generator, strips: Around, count: int) -> Around:
    """Return `count` strips, all turned and mirrored alike, in other light, with parts hidden."""
    chosen, turn = rng.integers(0, len(strips.colors), count), int(rng.integers(DIRECTIONS))
    order = np.roll(np.arange(DIRECTIONS), turn)[:: rng.choice([-1, 1])]
    batch = Around._make(part[chosen][:, order] for part in strips)
    return batch._replace(colors=in_other_light(rng, hidden_in_part(rng, batch.colors)))


def hidden_in_part(
    rng: np.random.Generator, colors: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """Return (M, 60, 33, 3) colors, some pale or without an arc, so that doubt is learnt too."""
    values = colors.copy()
    for strip in values:
        chance, usual = rng.random(), strip.mean(axis=(0, 1))
        if chance < 0.08:
            pale = usual + rng.uniform(0, 0.2) * (strip - usual)
            strip[:] = np.rint(pale).astype(np.uint8)
        elif chance < 0.3:
            arc = (np.arange(rng.integers(8, 50)) + rng.integers(DIRECTIONS)) % DIRECTIONS
            strip[arc] = np.clip(usual * np.exp(rng.normal(0, 0.3)), 0, 255).astype(np.uint8)
    return values


def in_other_light(
    rng: np.random.Generator, colors: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """Return (M, 60, 33, 3) colors of another gamma and cast, with noise, and at times blurred."""
    count = len(colors)
    values = colors.astype(np.float32) / 255
    values **= np.exp(rng.normal(0, 0.2, (count, 1, 1, 1))).astype(np.float32)
    values *= np.exp(rng.normal(0, 0.08, (count, 1, 1, 3))).astype(np.float32)
    if rng.random() < 0.3:
        padded = np.pad(values, ((0, 0), (0, 0), (1, 1), (0, 0)), mode="edge")
        values = (padded[:, :, :-2] + 2 * values + padded[:, :, 2:]) / 4
    noise = rng.standard_normal(values.shape, np.float32)
    values = 255 * values + noise * rng.uniform(0, 5, (count, 1, 1, 1)).astype(np.float32)
    return np.clip(values, 0, 255).astype(np.uint8)
