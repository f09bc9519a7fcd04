"""Which device, and in which precision."""

from __future__ import annotations

import torch

from cornea_stream.errors import UsageError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_devices(names: str) -> list[torch.device]:
    """Return the torch devices of a list with commas: auto, cpu, cuda, cuda:N.

    Raises UsageError for an unknown name, for a GPU that this machine does not have, and for a
    list that is not of GPUs or names one twice.
    """
    devices = [choose_device(name.strip()) for name in names.split(",")]
    if len(devices) > 1:
        several = {(device.type, device.index or 0) for device in devices}
        if len(several) < len(devices) or any(device.type != "cuda" for device in devices):
            raise UsageError(f"not a list of different GPUs: {names!r}: try cuda:0,cuda:1")
    return devices


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
