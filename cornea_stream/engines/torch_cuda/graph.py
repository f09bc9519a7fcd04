"""A network with a fixed batch size as a CUDA graph: one launch instead of hundreds."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

WARM_UP_RUNS = 3
"""Runs before the capture: libraries choose kernels and take workspace, which no graph may do."""
log = logging.getLogger(__name__)

Recorder = Callable[[Callable[[], torch.Tensor]], tuple[Callable[[], None], torch.Tensor]]
"""Takes work whose inputs stay where they are; returns how to repeat it, and its output."""


class GraphedNetwork:
    """Runs the network as a recorded graph if recording works, else with ordinary calls.

    `path` says which of the two is used.
    """

    def __init__(
        self,
        network: nn.Module,
        shape: tuple[int, ...],
        device: torch.device,
        record: Recorder | None,
    ) -> None:
        """Record the network for inputs of `shape`, (N, H, W, 3); None leaves it eager.

        So does a lack of memory: it is for the graph, and smaller batches may still be computed.
        """
        self._network = network
        self._replay: Callable[[], None] | None = None
        self.path = "eager"
        if record is None:
            return
        try:
            self._images = torch.zeros(shape, dtype=torch.uint8, device=device)
            self._replay, self._logits = record(lambda: self._logits_of(self._images))
            self.path = "CUDA graph"
        except RuntimeError as err:
            reason = str(err).splitlines()[0]
            log.warning("no CUDA graph of the network: %s: it runs without, more slowly", reason)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return (n, h, w) float32 logits of (n, H, W, 3) uint8 RGB images with n <= N.

        They are valid until the next call.
        """
        if self._replay is None or 2 * len(images) <= len(self._images):
            return self._logits_of(images)  # a graph would compute mostly what nobody looks at
        self._images[: len(images)].copy_(images)
        self._replay()
        return self._logits[: len(images)]

    def _logits_of(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self._network(images)[:, 0].float()
        return logits


def cuda_recorder(stream: Any) -> Recorder:
    """Return what records work as a CUDA graph on `stream`, which must be the current one."""

    def record(work: Callable[[], torch.Tensor]) -> tuple[Callable[[], None], torch.Tensor]:
        for _ in range(WARM_UP_RUNS):
            work()
        stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        # Other threads may decode on the GPU meanwhile; only this one must keep to the rules.
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            output = work()
        return graph.replay, output

    return record
