"""The one protocol that every engine speaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from cornea_stream.media.frame import Frame

Input = TypeVar("Input")
"""What an engine makes of a frame and takes in batches; most take small RGB images."""


class Pending(Protocol):
    """A batch on its way."""

    def result(self) -> NDArray[np.float32]:
        """Wait for the batch; return its (n, h, w) float32 logits, before the final upsampling."""
        ...


class Engine(Protocol[Input]):
    """Runs the network on batches of frames, in the order in which they are submitted.

    Several streams may share one, each in a thread of its own or by turns in one.
    """

    @property
    def batch_size(self) -> int:
        """The most inputs that the next batch may hold."""
        ...

    @property
    def in_flight(self) -> int:
        """How many batches of a stream may be pending: the oldest is taken before one more."""
        ...

    def prepare(self, frame: Frame) -> Input:
        """Return what `submit` takes for a frame; may run in another thread than `submit`."""
        ...

    def submit(self, inputs: Sequence[Input]) -> Pending:
        """Start on 1 to `batch_size` prepared inputs."""
        ...

    def describe(self) -> dict[str, str | int]:
        """Return backend, device and precision in words, and the batch size."""
        ...
