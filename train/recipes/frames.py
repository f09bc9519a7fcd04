"""What the default weights are trained on: generated frames, frames without an eye, real ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from torch.utils.data import Dataset

from cornea_stream.synthetic import generate_empty, generate_frame
from cornea_stream.synthetic.camera import develop
from cornea_stream.synthetic.display import paint_display
from cornea_stream.synthetic.instruments import paint_instruments
from cornea_stream.synthetic.occluders import paint_occluders
from cornea_stream.synthetic.shapes import Ellipse
from cornea_train.dataset import load_pair
from cornea_train.formats import find_pairs
from cornea_train.generated import EMPTY_SHARE, Size, picture_size, squash

REAL_SHARE = 0.2
HELD_OUT = ("case_5014", "case_fig08", "case_fig10", "case_more05", "case_more10")
"""Surgeries that the weights are chosen by, and not trained on."""

MIN_CONTOUR = 40
"""Points of a contour away from the frame's border below which no ellipse is fitted."""
CONTOUR_INSIDE = 0.45
"""Pixels by which a contour, through the outermost pixels' centers, lies inside the edge: measured
on drawn ellipses."""

Image = npt.NDArray[np.uint8]
Sample = tuple[Image, Image]


class TrainingFrames(Dataset[Sample]):
    """Endless samples: (H, W, 3) uint8 RGB and (H, W) uint8 0 or 255, decided by the index."""

    def __init__(
        self,
        size: Size,
        seed: int,
        real: Sequence[Sample],
        real_share: float = REAL_SHARE,
        first: int = 0,
    ) -> None:
        self.size, self.seed, self.real, self.first = size, seed, real, first
        self.until_real = EMPTY_SHARE + (real_share if real else 0)

    def __len__(self) -> int:
        return 2**31

    def __getitem__(self, index: int) -> Sample:
        cv2.setNumThreads(1)
        rng = np.random.default_rng((self.seed, *self.size, self.first + index))
        kind, seed = rng.random(), int(rng.integers(2**39))
        if kind < EMPTY_SHARE:
            return generate_empty(seed, *self.size), np.zeros(self.size, np.uint8)
        if kind < self.until_real:
            return vary(rng, self.real[int(rng.integers(len(self.real)))], self.size)
        return squash(generate_frame(seed, *picture_size(rng, self.size)), self.size)


def read_real(folder: Path, held_out: Sequence[str]) -> tuple[list[Sample], list[Sample]]:
    """Return the samples to train on and those held out, below a folder as Cataract-1K's."""
    training: list[Sample] = []
    left_out: list[Sample] = []
    for pair in find_pairs(folder)[0]:
        image, mask = load_pair(pair)
        (left_out if pair.case in held_out else training).append((image, mask))
    return training, left_out


def vary(rng: np.random.Generator, sample: Sample, size: Size) -> Sample:
    """Return a real frame (H, W, 3) and its mask turned, zoomed, squeezed and recolored.

    Instruments and things out of focus are laid over it, and now and then a display.
    """
    image, mask = _moved(rng, sample, size)
    limbus = ellipse_of(mask)
    if limbus is not None:
        paint_instruments(rng, image, limbus, int(rng.choice([0, 1, 2], p=[0.5, 0.3, 0.2])))
        if rng.random() < 0.2:
            paint_occluders(rng, image, limbus)
    if rng.random() < 0.85:
        image = develop(rng, image, cast=rng.random() < 0.3, flat=rng.random() < 0.3)
    if rng.random() < 0.1:
        paint_display(rng, image)
    return image, mask


def _moved(rng: np.random.Generator, sample: Sample, size: Size) -> Sample:
    image, mask = sample
    given, wanted = (np.array(shape[::-1]) for shape in (mask.shape, size))
    angle = rng.normal(0, 0.25) + (math.pi if rng.random() < 0.3 else 0)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    zoom = np.exp(rng.normal(-0.05, 0.3) + rng.normal(0, 0.08, 2))
    if rng.random() < 0.5:  # as a 4:3 picture looks inside one of 16:9
        zoom[0] *= 0.75
    flip = np.array([rng.choice([-1, 1]), 1])
    linear = turn @ np.diag(zoom * flip * wanted / given)
    shift = wanted / 2 + rng.normal(0, 0.08, 2) * wanted - linear @ (given / 2)
    # Pixel centers lie half a pixel inside of their edges, in both pictures.
    shift += linear @ np.array([0.5, 0.5]) - 0.5
    matrix = np.column_stack([linear, shift])
    border = cv2.BORDER_REPLICATE if rng.random() < 0.3 else cv2.BORDER_CONSTANT
    smaller = abs(float(np.linalg.det(linear))) < 0.3
    if smaller:  # linear interpolation would skip pixels
        image = np.asarray(cv2.blur(image, (2, 2)), np.uint8)
    found = np.asarray(cv2.warpAffine(image, matrix, size[::-1], borderMode=border), np.uint8)
    soft = cv2.warpAffine(mask, matrix, size[::-1], flags=cv2.INTER_LINEAR)
    return found, np.where(soft > 127, 255, 0).astype(np.uint8)


def ellipse_of(mask: Image) -> Ellipse | None:
    """Return the ellipse of an (H, W) 0 or 255 mask, which the border may cut, if enough is seen.

    Exact to about 0.1 % of its radius for masks of ellipses.
    """
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = max(contours, key=len, default=np.empty((0, 1, 2), np.int32))[:, 0]
    last = np.array(mask.shape[::-1]) - 1
    points = points[((points > 0) & (points < last)).all(axis=1)]
    if len(points) < MIN_CONTOUR:
        return None
    (x, y), (first, second), angle = cv2.fitEllipse(points)
    if not 4 < min(first, second) <= max(first, second) < 2 * max(mask.shape):
        return None
    a, b = first / 2 + CONTOUR_INSIDE, second / 2 + CONTOUR_INSIDE
    return Ellipse(x, y, a, b, math.radians(angle))
