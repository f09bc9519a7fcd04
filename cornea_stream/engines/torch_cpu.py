"""PyTorch on the CPU: several batches in parallel, one thread each."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from cornea_stream.engines.precision import DTYPES, choose_precision
from cornea_stream.engines.preprocess import model_input
from cornea_stream.media.frame import Frame, Image
from cornea_stream.models.checkpoint import Checkpoint
from cornea_stream.models.cornea_net import CorneaNet
from cornea_stream.models.fuse import fuse, pad_evenly

BATCH_SIZE = 4
"""A fifth faster than 1 on two cores with the default weights; 8 is not faster."""
MOST_WORKERS = 8
"""Maximum of parallel batches; beyond it, they get several threads, to limit memory."""


class TorchCPUEngine:
    """The network in PyTorch, channels-last, in the chosen precision, on the cores of this machine.

    One thread per batch is 1.15 times as fast on two cores as all threads on one, which would wait
    for each other at every layer.
    """

    def __init__(
        self, checkpoint: Checkpoint, *, precision: str = "auto", batch_size: int | None = None
    ) -> None:
        """Load the network. `precision`: auto, fp32 or bf16. Raises UsageError for others."""
        self.precision = choose_precision(precision, torch.device("cpu"))
        self.batch_size = batch_size or BATCH_SIZE
        cores = torch.get_num_threads()
        workers = min(cores, MOST_WORKERS)
        self.in_flight = workers + 1
        self._image_size = checkpoint.spec.image_size
        fused = fuse(checkpoint.build_for_inference(), checkpoint.spec.image_size)
        network = CorneaNet(pad_evenly(fused), checkpoint.spec).eval()
        self._network = network.to(DTYPES[self.precision]).to(memory_format=torch.channels_last)
        self._workers = ThreadPoolExecutor(
            workers, "torch", initializer=torch.set_num_threads, initargs=(cores // workers,)
        )

    def prepare(self, frame: Frame) -> Image:
        """Return the (H, W, 3) uint8 RGB input of a frame."""
        return model_input(frame, self._image_size)

    def image(self, prepared: Image) -> Image:
        """Return an input, which is the (h, w, 3) uint8 RGB of the frame."""
        return prepared

    def submit(self, inputs: Sequence[Image]) -> _Answer:
        """Start a batch of 1 to `batch_size` images."""
        return _Answer(self._workers.submit(self._run, np.stack(inputs)))

    def _run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            logits = self._network(torch.from_numpy(images))[:, 0].float()
        return np.asarray(logits.numpy(), np.float32)

    def describe(self) -> dict[str, str | int]:
        """Return backend, device and precision in words, and the batch size."""
        return {
            "backend": "torch",
            "device": "cpu",
            "precision": self.precision,
            "batch_size": self.batch_size,
        }


class _Future(Protocol):
    def result(self) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True)
class _Answer:
    future: _Future

    def result(self) -> NDArray[np.float32]:
        return self.future.result()
