"""Several engines as one: batches are dealt in turn, and come back in order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from cornea_stream.engines.protocol import Engine, Pending


class SeveralEngines:
    """One engine made of several alike, say one on each GPU."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        """Take engines with the same weights and precision."""
        self._engines = list(engines)
        self._turn = cycle(self._engines)
        self.in_flight = sum(engine.in_flight for engine in engines)

    @property
    def batch_size(self) -> int:
        """The most images that every one of them takes."""
        return min(engine.batch_size for engine in self._engines)

    def submit(self, images: NDArray[np.uint8]) -> Pending:
        """Start on `images`, (n, H, W, 3) uint8 RGB with n <= batch_size, on the next engine."""
        return next(self._turn).submit(images)

    def describe(self) -> dict[str, str | int]:
        """Return what the first says of itself, and all devices."""
        devices = [str(engine.describe()["device"]) for engine in self._engines]
        return self._engines[0].describe() | {"device": " + ".join(devices)}
