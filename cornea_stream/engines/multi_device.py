"""Several engines as one: batches are distributed in turn and returned in order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Generic

from cornea_stream.engines.base import Engine, Input, Pending
from cornea_stream.media.frame import Frame, Image


class SeveralEngines(Generic[Input]):
    """An engine that combines several equal ones, for example one per GPU."""

    def __init__(self, engines: Sequence[Engine[Input]]) -> None:
        """Take engines with the same weights and precision."""
        self._engines = list(engines)
        self._turn = cycle(self._engines)
        self.in_flight = sum(engine.in_flight for engine in engines)

    @property
    def batch_size(self) -> int:
        """Maximum batch size of all engines."""
        return min(engine.batch_size for engine in self._engines)

    def prepare(self, frame: Frame) -> Input:
        """Return the input of all engines for a frame."""
        return self._engines[0].prepare(frame)

    def image(self, prepared: Input) -> Image:
        """Return the (h, w, 3) uint8 RGB of an input."""
        return self._engines[0].image(prepared)

    def submit(self, inputs: Sequence[Input]) -> Pending:
        """Start a batch of 1 to `batch_size` prepared inputs on the next engine."""
        return next(self._turn).submit(inputs)

    def describe(self) -> dict[str, str | int]:
        """Return the description of the first engine, with all devices."""
        devices = [str(engine.describe()["device"]) for engine in self._engines]
        return self._engines[0].describe() | {"device": " + ".join(devices)}
