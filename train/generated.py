"""Generated frames beside the annotated ones, so that fine-tuning forgets nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from cornea_stream.synthetic import generate_empty, generate_frame

EMPTY_SHARE = 0.08
"""Share of generated frames without an eye."""
VALIDATION_SEED = 2**40
"""Where the seeds of generated frames begin that training never draws."""
VALIDATION_FRAMES = 24
ASPECTS = (16 / 9, 4 / 3, 5 / 4, 1.0)
ASPECT_SHARES = (0.5, 0.4, 0.05, 0.05)
"""Width over height of the pictures that are drawn, and how often; all become the input's."""

Image = NDArray[np.uint8]
Size = tuple[int, int]
"""Height and width."""
Item: TypeAlias = "tuple[torch.Tensor, torch.Tensor]"


class GeneratedFrames(Dataset[Item]):
    """New frames in every epoch: (H, W, 3) uint8 RGB and (H, W) uint8, 0 or 255.

    They depend only on size, seed, epoch and position.
    """

    def __init__(self, count: int, size: Size, seed: int) -> None:
        self.count, self.size, self.seed, self.epoch = count, size, seed, 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Item:
        rng = np.random.default_rng((self.seed, self.epoch, index))
        empty, seed = rng.random() < EMPTY_SHARE, int(rng.integers(2**39))
        if empty:
            return _item(generate_empty(seed, *self.size), np.zeros(self.size, np.uint8))
        return _item(*_usual_frame(rng, seed, self.size))


class KnownFrames(Dataset[Item]):
    """The same frames in every run and epoch, to see what training forgets."""

    epoch = 0

    def __init__(self, size: Size, count: int = VALIDATION_FRAMES) -> None:
        rng = np.random.default_rng(VALIDATION_SEED)
        seeds = range(VALIDATION_SEED, VALIDATION_SEED + count)
        self._items = [_item(*_usual_frame(rng, seed, size)) for seed in seeds]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> Item:
        return self._items[index]


class Chained(Dataset[Item]):
    """Several data sets one after another, which all know the epoch."""

    def __init__(self, parts: Sequence[Dataset[Item]]) -> None:
        self._parts, self._begins = list(parts), np.cumsum([0, *map(len, parts)])  # type: ignore[arg-type]

    @property
    def epoch(self) -> int:
        """The epoch of all parts."""
        return int(self._parts[0].epoch)  # type: ignore[attr-defined]

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        for part in self._parts:
            part.epoch = epoch  # type: ignore[attr-defined]

    def __len__(self) -> int:
        return int(self._begins[-1])

    def __getitem__(self, index: int) -> Item:
        part = int(np.searchsorted(self._begins, index, "right")) - 1
        return self._parts[part][index - int(self._begins[part])]


def picture_size(rng: np.random.Generator, size: Size) -> Size:
    """Return the smallest picture of a usual aspect ratio that covers `size`."""
    aspect = float(rng.choice(ASPECTS, p=ASPECT_SHARES))
    height = max(size[0], math.ceil(size[1] / aspect))
    return height, round(height * aspect)


def squash(sample: tuple[Image, Image], size: Size) -> tuple[Image, Image]:
    """Return a picture and its mask at the input's size, as a frame is brought there."""
    image, mask = (cv2.resize(plane, size[::-1], interpolation=cv2.INTER_AREA) for plane in sample)
    return np.asarray(image, np.uint8), np.where(mask > 127, 255, 0).astype(np.uint8)


def _usual_frame(rng: np.random.Generator, seed: int, size: Size) -> tuple[Image, Image]:
    return squash(generate_frame(seed, *picture_size(rng, size)), size)


def _item(image: Image, mask: Image) -> Item:
    return torch.from_numpy(image), torch.from_numpy(mask)
