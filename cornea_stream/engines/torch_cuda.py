"""PyTorch on CUDA: batches in flight through pinned memory, under automatic mixed precision."""

from __future__ import annotations

import logging
from itertools import cycle
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cornea_stream.checkpoint import Checkpoint
from cornea_stream.engines.device import DTYPES, choose_precision
from cornea_stream.engines.protocol import Pending
from cornea_stream.errors import DeviceError
from cornea_stream.fuse import fuse
from cornea_stream.model import CorneaNet

BATCH_SIZE, IN_FLIGHT = 16, 3
log = logging.getLogger(__name__)


class TorchCUDAEngine:
    """The network in PyTorch, channels-last, in the chosen precision, on one GPU.

    Batches go through reused pinned buffers, each on a stream of its own, so that upload, compute
    and download of several batches overlap. When the memory of the GPU runs out, the batch is
    halved and goes on. Frames arrive at the network's input size: to scale a 1080p frame costs
    the CPU 0.25 ms, and a fifteenth of its bytes are left to upload.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: torch.device,
        precision: str = "auto",
        batch_size: int | None = None,
    ) -> None:
        """Load the network onto `device`. `precision`: auto, fp32, bf16 or fp16.

        Raises UsageError for a precision that the device does not have.
        """
        self.device = device
        self.precision = choose_precision(precision, device)
        self.batch_size = batch_size or BATCH_SIZE
        self.in_flight = IN_FLIGHT
        network = CorneaNet(fuse(checkpoint.build()), checkpoint.spec).eval()
        self._network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        height, width = checkpoint.spec.image_size
        self._slots = cycle(
            [_Slot((self.batch_size, height, width, 3), device) for _ in range(IN_FLIGHT)]
        )

    def submit(self, images: NDArray[np.uint8]) -> Pending:
        """Start on `images`, (n, H, W, 3) uint8 RGB with n <= batch_size.

        Raises DeviceError when the GPU fails, or has no room for a single image.
        """
        try:
            return self._start(images)
        except torch.OutOfMemoryError as err:
            if len(images) == 1:
                raise DeviceError(
                    f"the GPU's memory does not hold one image: {self.device}: close other "
                    "programs that use it, or use --device cpu"
                ) from err
        half = -(-len(images) // 2)
        self.batch_size = min(self.batch_size, half)
        log.warning("out of memory on %s: the batch size is now %d", self.device, self.batch_size)
        torch.cuda.empty_cache()
        return Joined([self.submit(images[:half]), self.submit(images[half:])])

    def _start(self, images: NDArray[np.uint8]) -> Pending:
        slot = next(self._slots)
        dtype = DTYPES[self.precision]
        mixed = torch.autocast(self.device.type, dtype, enabled=self.precision != "fp32")
        try:
            with torch.inference_mode(), slot.context(), mixed:
                return slot.download(self._network(slot.upload(images))[:, 0].float())
        except torch.AcceleratorError as err:
            raise lost(self.device, err) from err

    def describe(self) -> dict[str, str | int]:
        """Return backend, device and precision in words, and the batch size."""
        return {
            "backend": "torch",
            "device": torch.cuda.get_device_name(self.device),
            "precision": self.precision,
            "batch_size": self.batch_size,
        }


class _Slot:
    """A pinned staging buffer and the stream that its batches run on."""

    def __init__(self, shape: tuple[int, ...], device: torch.device) -> None:
        self.device = device
        self._staging = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        self._stream: Any = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def context(self) -> Any:
        return torch.cuda.stream(self._stream)

    def upload(self, images: NDArray[np.uint8]) -> torch.Tensor:
        self._stream.synchronize()  # the batch before may still be reading the buffer
        part = self._staging[: len(images)]
        part.copy_(torch.from_numpy(images))
        return part.to(self.device, non_blocking=True)

    def download(self, logits: torch.Tensor) -> _OnItsWay:
        home = torch.empty(logits.shape, dtype=logits.dtype, pin_memory=True)
        home.copy_(logits, non_blocking=True)
        done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        done.record(self._stream)
        return _OnItsWay(home, done, self.device)


class _OnItsWay:
    def __init__(self, logits: torch.Tensor, done: Any, device: torch.device) -> None:
        self._logits, self._done, self._device = logits, done, device

    def result(self) -> NDArray[np.float32]:
        try:
            self._done.synchronize()
        except torch.AcceleratorError as err:
            raise lost(self._device, err) from err
        return np.asarray(self._logits.numpy(), np.float32)


class Joined:
    """Parts of one batch that went separately."""

    def __init__(self, parts: list[Pending]) -> None:
        """Take the parts in order."""
        self._parts = parts

    def result(self) -> NDArray[np.float32]:
        """Wait for all parts; return their (n, h, w) float32 logits as one."""
        return np.concatenate([part.result() for part in self._parts])


def lost(device: torch.device, cause: Exception) -> DeviceError:
    """Return the error for a GPU that failed in the middle of the work."""
    reason = str(cause).splitlines()[0]
    return DeviceError(
        f"the GPU failed: {device}: {reason}: look at nvidia-smi and the system's log; then run "
        "again with --resume, or with --device cpu"
    )
