"""The interface of all engines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from cornea_stream.media.frame import Frame, Image

Input = TypeVar("Input")
"""The prepared input of an engine for one frame; usually a small RGB image."""


class Pending(Protocol):
    """A batch in flight."""

    def result(self) -> NDArray[np.float32]:
        """Wait for the batch; return its (n, h, w) float32 logits, before the final upsampling."""
        ...


class Engine(Protocol[Input]):
    """Runs the network on batches of frames, in the order in which they are submitted.

    Several streams can share an engine, in separate threads or interleaved in one.
    """

    @property
    def batch_size(self) -> int:
        """Maximum number of inputs in the next batch."""
        ...

    @property
    def in_flight(self) -> int:
        """Maximum number of pending batches of a stream; take the oldest before submitting more."""
        ...

    def prepare(self, frame: Frame) -> Input:
        """Return the input of `submit` for a frame; can run in another thread than `submit`."""
        ...

    def image(self, prepared: Input) -> Image:
        """Return the (h, w, 3) uint8 RGB of the upright frame at the network's input size.

        `prepared` is what `prepare` returned for the frame.
        """
        ...

    def submit(self, inputs: Sequence[Input]) -> Pending:
        """Start a batch of 1 to `batch_size` prepared inputs."""
        ...

    def describe(self) -> dict[str, str | int]:
        """Return backend, device and precision in words, and the batch size."""
        ...
