"""Memory for batches in flight: pinned on the host, and its copy on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Pixels = tuple[NDArray[np.uint8], ...]
"""The arrays of one frame, to be uploaded one behind the other."""


class Staging:
    """The buffers that one batch after the other goes through; they grow to the largest one.

    `copying` and `computing` are streams of `device`. On a CPU both are empty words, and the same
    code runs.
    """

    def __init__(self, device: torch.device, copying: Any, computing: Any) -> None:
        self._device = device
        self._streams: Any = torch.get_device_module(device)
        self._copying, self._computing = copying, computing
        self._uploaded, self._done = self._streams.Event(), self._streams.Event()
        self._host = self._there = torch.empty(0, dtype=torch.uint8)

    def upload(self, batch: Sequence[Pixels]) -> torch.Tensor:
        """Return (n, bytes) uint8 on the device, for the computing stream, of frames of one size.

        Waits until the batch before, up to its download, is through.
        """
        self._done.synchronize()
        size = sum(pixels.size for pixels in batch[0])
        count = len(batch) * size
        if min(len(self._host), len(self._there)) < count:  # memory may have ended between the two
            pin = self._device.type == "cuda"
            self._host = torch.empty(count, dtype=torch.uint8, pin_memory=pin)
            self._there = torch.empty(count, dtype=torch.uint8, device=self._device)
            self._copying.wait_stream(self._computing)  # which may still use that memory
        host, there = (buffer[:count].view(-1, size) for buffer in (self._host, self._there))
        for row, frame in zip(host.numpy(), batch, strict=True):
            start = 0
            for pixels in frame:
                np.copyto(row[start : start + pixels.size].reshape(pixels.shape), pixels)
                start += pixels.size
        with self._streams.stream(self._copying):
            there.copy_(host, non_blocking=True)
            self._uploaded.record(self._copying)
        self._uploaded.wait(self._computing)
        return there

    def download(self, logits: torch.Tensor) -> Download:
        """Start to bring `logits` back, on the computing stream, which must be the current one."""
        home = torch.empty(logits.shape, dtype=logits.dtype, pin_memory=self._device.type == "cuda")
        home.copy_(logits, non_blocking=True)
        self._done = self._streams.Event()  # the download before may not have been waited for yet
        self._done.record(self._computing)
        return Download(home, self._done)


class Download:
    """Logits on their way to the host."""

    def __init__(self, home: torch.Tensor, done: Any) -> None:
        self._home, self._done = home, done

    def result(self) -> NDArray[np.float32]:
        """Wait for them; return (n, h, w) float32."""
        self._done.synchronize()
        return np.asarray(self._home.numpy(), np.float32)
