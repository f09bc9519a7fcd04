"""OpenVINO on the CPU: the fastest engine for the same weights there."""

from __future__ import annotations

import logging
import sys
import weakref
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cornea_stream.engines.device import cpu_has_bf16
from cornea_stream.engines.network_cache import CachedNetwork
from cornea_stream.engines.preprocess import model_input
from cornea_stream.errors import OutputError, UsageError
from cornea_stream.media.frame import Frame, Image
from cornea_stream.models.checkpoint import Checkpoint

_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "bf16"}
log = logging.getLogger(__name__)


class OpenVINOEngine:
    """The network compiled by OpenVINO for this CPU, as many frames side by side as it advises.

    On two cores one thread for each of two frames gives 1.12 times the end-to-end speed of two
    threads for one frame.
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

        `precision`: auto (bf16 where the CPU has it, else fp32), fp32 or bf16; int8 only names
        what a quantized `model` is. Raises UsageError for another precision, and where OpenVINO
        is not installed.
        """
        openvino = import_openvino()
        if precision == "auto":
            precision = "bf16" if cpu_has_bf16() else "fp32"
        if precision not in _HINTS or (precision == "int8" and model is None):
            raise UsageError(f"OpenVINO does not support {precision}: use auto, fp32 or bf16")
        self.precision = precision
        self.batch_size = batch_size or 1  # larger batches are slower on a CPU
        self._image_size = checkpoint.spec.image_size
        network = (model if model is not None else converted(checkpoint)).clone()
        if self.batch_size == 1:  # a network of fixed shape is a little faster
            network.reshape([1, *checkpoint.spec.image_size, 3])
        compiled = openvino.Core().compile_model(
            network,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": _HINTS[precision] if cpu_has_bf16() else "f32",
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

    def submit(self, inputs: Sequence[Image]) -> _Answer:
        """Start on 1 to `batch_size` images; streams that share the engine do not meet."""
        try:
            request = self._idle.popleft()
        except IndexError:
            request = _Request(self._compiled)
        request.start(np.stack(inputs))
        answer = _Answer(request)
        # Nobody can ask for its result any longer, also where a stream was given up.
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
        self._request.wait()  # a stream that was given up left it busy
        self._images = images  # OpenVINO reads it in place: keep it alive
        self._request.start_async({0: images}, share_inputs=True)

    def result(self) -> NDArray[np.float32]:
        self._request.wait()
        return np.array(self._request.get_output_tensor(0).data[:, 0], np.float32)


class _Answer:
    """What a request is at work on for one batch; it is free for another when this is gone."""

    def __init__(self, request: _Request) -> None:
        self._request = request

    def result(self) -> NDArray[np.float32]:
        return self._request.result()


def converted(checkpoint: Checkpoint) -> Any:
    """Return the network as an OpenVINO model, from the cache on disk if it was converted before.

    Takes (?, H, W, 3) uint8 RGB; gives (?, 1, h, w). Raises CheckpointError for weights that do
    not fit, UsageError where OpenVINO is not installed.
    """
    openvino = import_openvino()
    cached = CachedNetwork(openvino, "openvino", checkpoint)
    if found := cached.read():
        return found[0]
    from cornea_stream.engines.convert import convert  # imports torch, which takes seconds

    model = convert(openvino, checkpoint)
    try:
        cached.keep(model, {})
    except OutputError as err:
        log.info("the next start will be as slow: %s", err)
    return model


def import_openvino() -> Any:
    """Return the module, its usage reports switched off. Raises UsageError where it is missing."""
    # OpenVINO's converter and NNCF report their use over the network unless told otherwise; a
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
