"""The frames of a run in batches: those to train on, those held out, and generated ones."""

from __future__ import annotations

import math
from typing import TypeAlias

import torch
from torch.utils.data import DataLoader

from cornea_stream.errors import UsageError
from cornea_train.config import TrainConfig
from cornea_train.dataset import Cache, CachedFrames
from cornea_train.distributed import World
from cornea_train.generated import Chained, GeneratedFrames, KnownFrames
from cornea_train.sampler import DealtSampler
from cornea_train.split import Split

Batch = tuple[torch.Tensor, torch.Tensor]
Frames: TypeAlias = CachedFrames | Chained | KnownFrames


class Loaders:
    """Batches for one of the processes of a run; `generated` is None unless they are mixed in."""

    def __init__(self, config: TrainConfig, world: World, cache: Cache, split: Split) -> None:
        """Raise UsageError if a batch cannot be divided over the processes."""
        self._config, self._world = config, world
        frames = self._training_frames(cache, split.train)
        self.batch_size = min(config.batch_size, len(frames))
        if self.batch_size % world.size:
            raise UsageError(
                f"batch size {self.batch_size} cannot be divided over {world.size} processes: "
                "make it a multiple"
            )
        held_out = CachedFrames(cache, split.validation, augment=False, seed=config.seed)
        known = KnownFrames(config.input_size) if config.mix_generated else None
        self.train = self._loader(frames, shuffle=True)
        self.validation = self._loader(held_out, shuffle=False)
        self.generated = self._loader(known, shuffle=False) if known else None

    def _training_frames(self, cache: Cache, positions: list[int]) -> Frames:
        config = self._config
        repeated = positions * max(1, math.ceil(config.least_frames / len(positions)))
        real = CachedFrames(cache, repeated, augment=config.augment == "mild", seed=config.seed)
        share = config.mix_generated
        if not share:
            return real
        count = round(len(real) * share / (1 - share))
        return Chained([real, GeneratedFrames(count, config.input_size, config.seed)])

    def _loader(self, frames: Frames, *, shuffle: bool) -> DataLoader[Batch]:
        config, world = self._config, self._world
        sampler = DealtSampler(
            len(frames), self.batch_size, world, shuffle=shuffle, seed=config.seed
        )
        return DataLoader(
            frames,
            batch_size=self.batch_size // world.size,
            sampler=sampler,
            num_workers=config.workers,
            pin_memory=world.device.type == "cuda",
        )
