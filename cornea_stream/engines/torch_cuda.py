"""PyTorch on the CPU and on CUDA."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

import numpy as np
import torch
from numpy.typing import NDArray

from cornea_stream.checkpoint import Checkpoint
from cornea_stream.errors import UsageError
from cornea_stream.fuse import fuse
from cornea_stream.model import CorneaNet

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

# On a CPU larger batches are slower (3.0 against 5.5 fps at 4 and 1); a GPU wants many frames.
_BATCH_SIZE = {"cpu": 1, "cuda": 16}
_IN_FLIGHT = {"cpu": 1, "cuda": 3}


class TorchEngine:
    """The network in PyTorch, channels-last, in the chosen precision.

    On CUDA batches go through reused pinned buffers on a stream of their own under automatic
    mixed precision, so that upload, compute and download of several batches overlap.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | None = None,
    ) -> None:
        """Load the network onto a device.

        `device`: auto, cpu, cuda or cuda:N. `precision`: auto, fp32, bf16 or fp16.
        Raises UsageError for a device or precision that this machine does not have.
        """
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)
        self.batch_size = batch_size or _BATCH_SIZE[self.device.type]
        self.in_flight = _IN_FLIGHT[self.device.type]
        dtype = DTYPES[self.precision]
        network = CorneaNet(fuse(checkpoint.build()), checkpoint.spec).eval()
        if self.device.type == "cpu":
            network = network.to(dtype)
        self._network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._autocast = torch.autocast(
            self.device.type, dtype, enabled=self.device.type == "cuda" and self.precision != "fp32"
        )
        height, width = checkpoint.spec.image_size
        self._slots: Iterator[_Slot] = cycle(
            [_Slot.make((self.batch_size, height, width, 3), self.device)
             for _ in range(self.in_flight)]
        )  # fmt: skip

    def submit(self, images: NDArray[np.uint8]) -> _Slot:
        """Start on `images`, (n, H, W, 3) uint8 RGB with n <= batch_size."""
        slot = next(self._slots)
        slot.load(images)
        with torch.inference_mode(), slot.stream_context(), self._autocast:
            logits = self._network(slot.upload())
            slot.download(logits[:, 0].float())
        return slot

    def describe(self) -> dict[str, str | int]:
        """Return backend, device and precision in words, and the batch size."""
        name = (
            torch.cuda.get_device_name(self.device)
            if self.device.type == "cuda"
            else f"cpu ({torch.get_num_threads()} threads)"
        )
        return {
            "backend": "torch",
            "device": name,
            "precision": self.precision,
            "batch_size": self.batch_size,
        }


@dataclass
class _Slot:
    """The buffers of one batch in flight; pinned, with a stream and an event, on CUDA only."""

    staging: torch.Tensor
    device: torch.device
    stream: torch.cuda.Stream | None
    count: int = 0
    logits: torch.Tensor | None = None
    done: torch.cuda.Event | None = None

    @classmethod
    def make(cls, shape: tuple[int, ...], device: torch.device) -> _Slot:
        cuda = device.type == "cuda"
        staging = torch.empty(shape, dtype=torch.uint8, pin_memory=cuda)
        return cls(staging, device, torch.cuda.Stream(device) if cuda else None)  # type: ignore[no-untyped-call]

    def stream_context(self) -> torch.cuda.StreamContext:
        return torch.cuda.stream(self.stream)  # does nothing for None

    def load(self, images: NDArray[np.uint8]) -> None:
        self.count = len(images)
        self.staging[: self.count].copy_(torch.from_numpy(images))

    def upload(self) -> torch.Tensor:
        return self.staging[: self.count].to(self.device, non_blocking=True)

    def download(self, logits: torch.Tensor) -> None:
        if self.stream is None:
            self.logits = logits
            return
        self.logits = torch.empty(logits.shape, dtype=logits.dtype, pin_memory=True)
        self.logits.copy_(logits, non_blocking=True)
        self.done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self.done.record(self.stream)

    def result(self) -> NDArray[np.float32]:
        if self.done is not None:
            self.done.synchronize()
        assert self.logits is not None, "submit first"
        return np.asarray(self.logits.numpy(), np.float32)


def choose_device(name: str) -> torch.device:
    """Return the torch device for auto, cpu, cuda or cuda:N.

    Raises UsageError for an unknown name, and where this machine has no such GPU.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"unknown device: {name!r}: use auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"no such GPU: {name}: torch sees {torch.cuda.device_count()} CUDA devices: "
            "use --device cpu, or install a driver and a CUDA build of torch"
        )
    return device


def choose_precision(name: str, device: torch.device) -> str:
    """Return fp32, bf16 or fp16; for auto the fastest that `device` computes natively.

    Raises UsageError for an unknown name, and for fp16 on a CPU, which has no kernels for it.
    """
    if name == "auto":
        if device.type == "cuda":
            return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
        return "bf16" if cpu_has_bf16() else "fp32"
    if name not in DTYPES:
        raise UsageError(f"unknown precision: {name!r}: use auto, {', '.join(DTYPES)}")
    if name == "fp16" and device.type == "cpu":
        raise UsageError("fp16 needs a GPU: on a CPU use --precision bf16 or fp32")
    return name


def cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bf16 natively (AVX-512 BF16 or AMX)."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
