"""Chooses and builds the engine for the machine and the settings."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from cornea_stream.engines.base import Engine
from cornea_stream.engines.device import choose_devices
from cornea_stream.engines.multi_device import SeveralEngines
from cornea_stream.errors import UsageError
from cornea_stream.media.frame import Image
from cornea_stream.models.checkpoint import Checkpoint

BACKENDS = ("auto", "torch", "openvino")
PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8")


def choose_engine(device: str, backend: str, precision: str) -> tuple[list[str], str]:
    """Return the devices and the backend, torch or openvino, that `build_engine` uses.

    Raises UsageError if this machine does not support the settings.
    """
    if backend not in BACKENDS:
        raise UsageError(f"unknown backend: {backend!r}: use {', '.join(BACKENDS)}")
    if precision not in PRECISIONS:
        raise UsageError(f"unknown precision: {precision!r}: use {', '.join(PRECISIONS)}")
    devices = choose_devices(device)
    on_cpu = devices == ["cpu"]
    if precision == "fp16" and on_cpu:  # there are no kernels for it
        raise UsageError("fp16 needs a GPU: on a CPU, use precision=auto or fp32")
    if backend == "auto":
        suits = on_cpu and find_spec("openvino") is not None
        backend = "openvino" if suits or precision == "int8" else "torch"
    if backend == "torch" and precision == "int8":
        raise UsageError("int8 needs OpenVINO: use backend=openvino or auto")
    if backend == "openvino" and not on_cpu:
        raise UsageError(f"OpenVINO runs on the CPU here: {device}: use device=cpu")
    return devices, backend


def build_engine(
    checkpoint: Checkpoint,
    *,
    device: str = "auto",
    backend: str = "auto",
    precision: str = "auto",
    batch_size: int | None = None,
    calibration: Sequence[Image] | None = None,
) -> Engine[Any]:
    """Return the engine: on a CPU, OpenVINO if it is installed, else PyTorch.

    `device` is auto, cpu, cuda, cuda:N, or a comma-separated list of GPUs that share the frames.
    `calibration` are (h, w, 3) uint8 model inputs for int8; None generates frames.
    Raises UsageError if this machine does not support the settings.
    """
    devices, backend = choose_engine(device, backend, precision)
    if backend == "torch":
        if devices == ["cpu"]:
            from cornea_stream.engines.torch_cpu import TorchCPUEngine

            return TorchCPUEngine(checkpoint, precision=precision, batch_size=batch_size)
        from cornea_stream.engines.torch_cuda.engine import TorchCUDAEngine

        engines = [
            TorchCUDAEngine(checkpoint, device=one, precision=precision, batch_size=batch_size)
            for one in devices
        ]
        return SeveralEngines(engines) if len(engines) > 1 else engines[0]
    from cornea_stream.engines.openvino import OpenVINOEngine

    if precision == "int8":
        from cornea_stream.engines.quantize import quantized_engine

        return quantized_engine(checkpoint, batch_size=batch_size, calibration=calibration)
    return OpenVINOEngine(checkpoint, precision=precision, batch_size=batch_size)
