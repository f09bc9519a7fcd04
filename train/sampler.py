"""The order of frames and their distribution over processes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from cornea_train.distributed import World


class DealtSampler(Sampler[int]):
    """Positions in a new seeded order each epoch, with every batch distributed over the processes.

    With W processes of b images each, the W batches of a step together equal the batch of a
    single process with W·b images.
    """

    def __init__(self, length: int, batch_size: int, world: World, *, shuffle: bool, seed: int):
        self.length, self.batch_size, self.world = length, batch_size, world
        self.shuffle, self.seed, self.epoch = shuffle, seed, 0

    def __iter__(self) -> Iterator[int]:
        order = np.arange(self.length)
        if self.shuffle:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(self.length)
            # An incomplete batch would disturb batch norm; each epoch leaves out different images.
            order = order[: self.length // self.batch_size * self.batch_size]
        return iter(order[self.world.rank :: self.world.size].tolist())

    def __len__(self) -> int:
        return sum(1 for _ in self)
