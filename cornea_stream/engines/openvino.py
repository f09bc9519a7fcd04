"""OpenVINO on the CPU, where it is the fastest engine."""

from __future__ import annotations

import logging
import sys
import weakref
from collections import deque
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cornea_stream.engines.device import cpu_has_bf16
from cornea_stream.engines.network_cache import CachedNetwork
from cornea_stream.engines.preprocess import model_input
from cornea_stream.errors import OutputError, UsageError
from cornea_stream.media.frame import Frame, Image
from cornea_stream.models.checkpoint import Checkpoint

_HINTS = {"fp32": "f32", "bf16": "bf16"}
log = logging.getLogger(__name__)


class OpenVINOEngine:
    """The network compiled by OpenVINO for this CPU, with as many parallel frames as it suggests.

    On two cores, two frames with one thread each are 1.12 times as fast end to end as one frame
    with two threads.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        precision: str = "auto",
        batch_size: int | None = None,
        model: Any = None,
    ) -> None:
        """Convert and compile the network, or take a converted (quantized) `model` as it is.

        `precision` is auto (bf16 if the CPU supports it, else fp32), fp32, or bf16 on a CPU that
        supports it; int8 is only the name for a quantized `model`. Raises UsageError for other
        precisions, and if OpenVINO is not installed.
        """
        core = shared_core()
        native = "bf16" if has_bf16() else "fp32"
        if precision == "auto":
            precision = native
        if precision not in ("fp32", native) and (precision != "int8" or model is None):
            raise UsageError(
                f"OpenVINO does not support {precision} on this CPU: use precision=auto or fp32"
            )
        self.precision = precision
        self.batch_size = batch_size or 1  # larger batches are slower on a CPU
        self._image_size = checkpoint.spec.image_size
        network = (model if model is not None else converted(checkpoint)).clone()
        if self.batch_size == 1:  # a fixed input shape is slightly faster
            network.reshape([1, *checkpoint.spec.image_size, 3])
        compiled = core.compile_model(
            network,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": _HINTS[native if precision == "int8" else precision],
                "PERFORMANCE_HINT": "THROUGHPUT",
                "ENABLE_CPU_PINNING": False,  # decoding and encoding use the same cores
            },
        )
        self.in_flight = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS") + 1
        self._compiled = compiled
        self._idle: deque[_Request] = deque()

    def prepare(self, frame: Frame) -> Image:
        """Return the (H, W, 3) uint8 RGB input of a frame."""
        return model_input(frame, self._image_size)

    def image(self, prepared: Image) -> Image:
        """Return an input, which is the (h, w, 3) uint8 RGB of the frame."""
        return prepared

    def submit(self, inputs: Sequence[Image]) -> _Answer:
        """Start a batch of 1 to `batch_size` images; can be called by several streams."""
        try:
            request = self._idle.popleft()
        except IndexError:
            request = _Request(self._compiled)
        request.start(np.stack(inputs))
        answer = _Answer(request)
        # Its result is no longer needed, also if a stream was abandoned.
        weakref.finalize(answer, self._idle.append, request)
        return answer

    def describe(self) -> dict[str, str | int]:
        """Return backend, device and precision in words, and the batch size."""
        return {
            "backend": "openvino",
            "device": "cpu",
            "precision": self.precision,
            "batch_size": self.batch_size,
        }


class _Request:
    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        self._images: NDArray[np.uint8] | None = None

    def start(self, images: NDArray[np.uint8]) -> None:
        self._request.wait()  # an abandoned stream left it busy
        self._images = images  # OpenVINO reads it in place: keep it alive
        self._request.start_async({0: images}, share_inputs=True)

    def result(self) -> NDArray[np.float32]:
        self._request.wait()
        return np.array(self._request.get_output_tensor(0).data[:, 0], np.float32)


class _Answer:
    """The pending batch of an inference request, which is free again when this is deleted."""

    def __init__(self, request: _Request) -> None:
        self._request = request

    def result(self) -> NDArray[np.float32]:
        return self._request.result()


def converted(checkpoint: Checkpoint) -> Any:
    """Return the network as an OpenVINO model, from the cache on disk if it was converted before.

    It takes (?, H, W, 3) uint8 RGB and returns (?, 1, h, w). Raises CheckpointError for weights
    that do not match, and UsageError if OpenVINO is not installed.
    """
    openvino = import_openvino()
    cached = CachedNetwork(openvino, "openvino", checkpoint)
    if found := cached.read(shared_core()):
        return found[0]
    from cornea_stream.engines.convert import convert  # imports torch, which takes seconds

    model = convert(openvino, checkpoint)
    try:
        cached.keep(model, {})
    except OutputError as err:
        log.info("the next start will be as slow: %s", err)
    return model


@cache
def shared_core() -> Any:
    """Return OpenVINO's `Core`, one for the process. Raises UsageError if OpenVINO is missing.

    With its CPU plugin, a core gives the thread a signal stack, and frees it when it goes: with
    several cores, the next Ctrl-C could end the process with a segmentation fault.
    """
    return import_openvino().Core()


def has_bf16() -> bool:
    """Whether OpenVINO computes bf16 on this CPU natively; on ARM it does not.

    Otherwise it would compute fp32 without a word. Raises UsageError if it is not installed.
    """
    return cpu_has_bf16() and "BF16" in shared_core().get_property(
        "CPU", "OPTIMIZATION_CAPABILITIES"
    )


def import_openvino() -> Any:
    """Return the module with telemetry turned off. Raises UsageError if it is missing."""
    # OpenVINO's converter and NNCF send telemetry by default; a
    # module that is None counts as not installed, and both then do without it.
    if "openvino_telemetry" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        import openvino
    except ImportError as err:
        raise UsageError(
            "OpenVINO is not installed: pip install 'cornea-stream[openvino]', or use backend=torch"
        ) from err
    return openvino
