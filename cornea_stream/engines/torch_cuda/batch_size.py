"""The batch size from which on a device does not get faster."""

from __future__ import annotations

from collections.abc import Callable

import torch

MOST = 32
"""Three such batches are in flight, whose frames wait in memory: 300 MB at 1080p."""
WORTH = 1.1
"""Doubling the batch must bring so many times the speed."""


def best_batch_size(speed: Callable[[int], float], most: int = MOST) -> int:
    """Double the batch until that no longer pays, memory ends, or `most` is reached.

    `speed` measures the images per second of a batch size; it may raise OutOfMemoryError.
    """
    best, fastest = 1, 0.0
    size = 1
    while size <= most:
        try:
            found = speed(size)
        except torch.OutOfMemoryError:
            break
        if found < WORTH * fastest:
            break
        best, fastest = size, found
        size *= 2
    return best
