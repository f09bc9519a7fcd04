"""PyTorch on CUDA: native planes in, batches in flight, the network as one recorded graph."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, groupby
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from cornea_stream.engines.base import Pending
from cornea_stream.engines.precision import DTYPES, choose_precision
from cornea_stream.engines.preprocess import model_input, small_rgb
from cornea_stream.engines.torch_cuda.batch_size import best_batch_size
from cornea_stream.engines.torch_cuda.device_input import device_input
from cornea_stream.engines.torch_cuda.graph import GraphedNetwork, cuda_recorder
from cornea_stream.engines.torch_cuda.staging import Staging
from cornea_stream.errors import DeviceError
from cornea_stream.media.frame import Frame, Image
from cornea_stream.media.planes import Layout, Planes, native_planes
from cornea_stream.models.checkpoint import Checkpoint
from cornea_stream.models.cornea_net import CorneaNet
from cornea_stream.models.fuse import fuse

IN_FLIGHT = 3
TRIAL_RUNS = 5
log = logging.getLogger(__name__)

CUDAInput: TypeAlias = Planes | Image
"""Native planes, or a (H, W, 3) RGB image of the network's input size where there are none."""


class TorchCUDAEngine:
    """The network in PyTorch, channels-last, in the chosen precision, on one GPU.

    Decoded frames are uploaded on a copy stream (1.5 bytes per pixel) and preprocessed on the GPU;
    frames that are not 8-bit 4:2:0 are converted to small RGB images on the CPU first. One stream
    computes, so all batches share one graph and its memory. If GPU memory runs out, the batch size
    is halved.

    Every step except the graph also runs on a CPU, which is how most of it is tested.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: torch.device | str,
        precision: str = "auto",
        batch_size: int | None = None,
    ) -> None:
        """Load the network onto `device`. `precision`: auto, fp32, bf16 or fp16.

        `batch_size` is chosen by measurement if None. Raises UsageError for an unsupported
        precision, and DeviceError if the GPU fails or has no memory for the network.
        """
        device = self.device = torch.device(device)
        on_gpu = device.type == "cuda"
        self.in_flight = IN_FLIGHT
        self._image_size = checkpoint.spec.image_size
        self._on_cpu: dict[str, None] = {}
        self._one_by_one = threading.Lock()  # all streams share the graph and buffers
        self._streams: Any = torch.get_device_module(device)
        network = CorneaNet(
            fuse(checkpoint.build_for_inference(), checkpoint.spec.image_size), checkpoint.spec
        ).eval()
        with _loading(device):
            self.precision = choose_precision(precision, device)
            network = network.to(DTYPES[self.precision])
            self._network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            copying, self._computing = (
                self._streams.Stream(*([device] if on_gpu else [])) for _ in range(2)
            )
            self._record = cuda_recorder(self._computing) if on_gpu else None
            slots = [Staging(device, copying, self._computing) for _ in range(IN_FLIGHT)]
            self._slots = cycle(slots)
            with self._at_work():
                self.batch_size = batch_size or best_batch_size(self._speed)
                self._graphed = self._graph()

    def prepare(self, frame: Frame) -> CUDAInput:
        """Return the native planes of a frame, or a small RGB image of it."""
        planes = native_planes(frame)
        if planes is None:
            video = frame.video
            self._on_cpu[f"{video.format.name} {video.width}x{video.height}"] = None
            return model_input(frame, self._image_size)
        return planes

    def image(self, prepared: CUDAInput) -> Image:
        """Return the (h, w, 3) uint8 RGB of an input, on the CPU."""
        return small_rgb(prepared, self._image_size) if isinstance(prepared, Planes) else prepared

    def submit(self, inputs: Sequence[CUDAInput]) -> Pending:
        """Start a batch of 1 to `batch_size` prepared inputs; different layouts go separately.

        Raises DeviceError if the GPU fails or has no memory for a single frame.
        """
        with self._one_by_one:
            parts = [self._submit_alike(list(part)) for _, part in groupby(inputs, _layout)]
        return parts[0] if len(parts) == 1 else Joined(parts)

    def preprocess(self, inputs: Sequence[CUDAInput]) -> torch.Tensor:
        """Return the (n, H, W, 3) uint8 network input of frames of one layout; wait for it."""
        with self._at_work():
            images = self._uploaded(next(self._slots), inputs)
            self._streams.synchronize(self.device)
            return images

    def describe(self) -> dict[str, str | int]:
        """Return backend, device and precision in words, the batch size, and the paths taken."""
        on_gpu = self.device.type == "cuda"
        return {
            "backend": "torch",
            "device": torch.cuda.get_device_name(self.device) if on_gpu else "cpu",
            "precision": self.precision,
            "batch_size": self.batch_size,
            "preprocess": "GPU"
            + (f", CPU for {' and '.join(self._on_cpu)}" if self._on_cpu else ""),
            "network": f"torch, {self._graphed.path}",
        }

    def _submit_alike(self, inputs: list[CUDAInput]) -> Pending:
        if len(inputs) <= self.batch_size:
            try:
                return self._start(inputs)
            except torch.OutOfMemoryError as err:
                if len(inputs) == 1:
                    raise full(self.device, "one image") from err
            self._shrink(-(-len(inputs) // 2))
        half = -(-len(inputs) // 2)
        return Joined([self._submit_alike(inputs[:half]), self._submit_alike(inputs[half:])])

    def _start(self, inputs: Sequence[CUDAInput]) -> Pending:
        slot = next(self._slots)
        with self._at_work():
            download = slot.download(self._graphed(self._uploaded(slot, inputs)))
        return _OnItsWay(download, self.device)

    def _uploaded(self, slot: Staging, inputs: Sequence[CUDAInput]) -> torch.Tensor:
        layout = _layout(inputs[0])
        pixels = slot.upload([x.pixels if isinstance(x, Planes) else (x,) for x in inputs])
        if layout is None:
            return pixels.view(-1, *self._image_size, 3)
        return device_input(pixels, layout, self._image_size)

    def _shrink(self, size: int) -> None:
        self.batch_size = size
        log.warning("out of memory on %s: the batch size is now %d", self.device, size)
        with self._at_work():
            self._streams.synchronize(self.device)  # the graph may still be running
            self._graphed = self._graph(recorded=False)  # frees the memory of the graph
            torch.cuda.empty_cache()
            self._graphed = self._graph()

    def _graph(self, *, recorded: bool = True) -> GraphedNetwork:
        shape = (self.batch_size, *self._image_size, 3)
        record = self._record if recorded else None
        return GraphedNetwork(self._network, shape, self.device, record)

    def _speed(self, size: int) -> float:
        """Return the images per second that the network computes in batches of `size`."""
        images = torch.zeros((size, *self._image_size, 3), dtype=torch.uint8, device=self.device)
        self._network(images)  # chooses kernels
        self._streams.synchronize(self.device)
        began = time.perf_counter()
        for _ in range(TRIAL_RUNS):
            self._network(images)
        self._streams.synchronize(self.device)
        return size * TRIAL_RUNS / (time.perf_counter() - began)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Compute on the engine's stream; turn GPU failures into DeviceError."""
        with (
            _failures(self.device),
            torch.inference_mode(),
            self._streams.stream(self._computing),
        ):
            yield


def _layout(given: CUDAInput) -> Layout | None:
    return given.layout if isinstance(given, Planes) else None


class _OnItsWay:
    def __init__(self, logits: Pending, device: torch.device) -> None:
        self._logits, self._device = logits, device

    def result(self) -> NDArray[np.float32]:
        with _failures(self._device):
            return self._logits.result()


class Joined:
    """The parts of a batch that were submitted separately."""

    def __init__(self, parts: list[Pending]) -> None:
        """Take the parts in order."""
        self._parts = parts

    def result(self) -> NDArray[np.float32]:
        """Wait for all parts; return their (n, h, w) float32 logits as one."""
        return np.concatenate([part.result() for part in self._parts])


@contextmanager
def _loading(device: torch.device) -> Iterator[None]:
    """Turn GPU failures and a lack of its memory into DeviceError."""
    try:
        with _failures(device):
            yield
    except torch.OutOfMemoryError as err:
        raise full(device, "the network") from err


@contextmanager
def _failures(device: torch.device) -> Iterator[None]:
    """Turn GPU failures into DeviceError."""
    try:
        yield
    except torch.AcceleratorError as err:
        raise lost(device, err) from err


def lost(device: torch.device, cause: Exception) -> DeviceError:
    """Return the error for a GPU that failed."""
    reason = str(cause).splitlines()[0]
    return DeviceError(
        f"the GPU failed: {device}: {reason}: look at nvidia-smi and the system's log; then run "
        "again with resume=True, or with device=cpu"
    )


def full(device: torch.device, what: str) -> DeviceError:
    """Return the error for a GPU without memory for `what`."""
    return DeviceError(
        f"the GPU's memory does not hold {what}: {device}: close other programs that use it, or "
        "use device=cpu"
    )
