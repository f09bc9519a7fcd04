"""The one protocol that every engine speaks."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Pending(Protocol):
    """A batch on its way."""

    def result(self) -> NDArray[np.float32]:
        """Wait for the batch; return its (n, h, w) float32 logits, before the final upsampling."""
        ...


class Engine(Protocol):
    """Runs the network on batches of images, in the order in which they are submitted."""

    @property
    def batch_size(self) -> int:
        """The most images that the next batch may hold."""
        ...

    @property
    def in_flight(self) -> int:
        """How many batches may be pending: the oldest must be taken before one more goes in."""
        ...

    def submit(self, images: NDArray[np.uint8]) -> Pending:
        """Start on `images`, (n, H, W, 3) uint8 RGB with n <= batch_size."""
        ...

    def describe(self) -> dict[str, str | int]:
        """Return backend, device and precision in words, and the batch size."""
        ...
