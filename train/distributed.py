"""Training in one or several processes: torchrun's environment, and sums over processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist

from cornea_stream.engines.device import choose_device
from cornea_stream.engines.names import device_names


@dataclass(frozen=True, slots=True)
class World:
    """One of the processes of a training run; a single process is rank 0 of 1."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_writer(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def add_up(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sum of `values` over all processes, in place."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def wait(self) -> None:
        """Wait until all processes have reached this point."""
        if self.size > 1:
            dist.barrier()


@contextmanager
def join_world(device: str) -> Iterator[World]:
    """Join the process group that torchrun describes, if any, and leave it at the end.

    With CUDA, each process uses the GPU of its local rank unless `device` names another.
    Raises UsageError if this machine does not have the device.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World(0, 1, torch.device(choose_device(device)))
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if device_names(device) in ("auto", "cuda") and torch.cuda.is_available():
        device = f"cuda:{local}"
    chosen = torch.device(choose_device(device))
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield World(dist.get_rank(), size, chosen)
    finally:
        dist.destroy_process_group()
