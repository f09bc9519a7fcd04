"""Device selection and capabilities; torch, which imports slowly, is only used if needed."""

from __future__ import annotations

import ctypes
import re
import sys
from contextlib import suppress
from pathlib import Path

from cornea_stream.engines.names import device_names
from cornea_stream.errors import UsageError

_NAME = re.compile(r"cpu|cuda(?::(\d+))?")
_FEATURE_LINES = ("flags", "Features")  # on x86, on ARM
_BF16_FEATURES = frozenset({"avx512_bf16", "amx_tile", "bf16"})


def choose_devices(names: str) -> list[str]:
    """Return the devices of a comma-separated list, as `device_names` takes it, by torch's names.

    Raises UsageError for an unknown name, a missing GPU, and a list with duplicates or other
    devices than GPUs.
    """
    devices = [choose_device(name.strip()) for name in names.split(",")]
    if len(devices) > 1:
        several = {"cuda:0" if device == "cuda" else device for device in devices}
        if len(several) < len(devices) or "cpu" in several:
            raise UsageError(f"not a list of different GPUs: {names!r}: try cuda:0,cuda:1")
    return devices


def choose_device(name: str) -> str:
    """Return cpu, cuda or cuda:N for one of these names, auto, or another spelling of them.

    Raises UsageError with the name as given if it is unknown, or if this machine has no such GPU.
    """
    given, name = name, device_names(name)
    if name == "auto":
        return "cuda" if gpu_count() else "cpu"
    match = _NAME.fullmatch(name)
    if not match:
        raise UsageError(f"unknown device: {given!r}: use auto, cpu, cuda or cuda:N")
    if name == "cpu":
        return name
    number, count = int(match[1] or 0), gpu_count()
    if number >= count:
        raise UsageError(
            f"no such GPU: {given}: torch sees {count} CUDA devices: "
            "use device=cpu, or install a driver and a CUDA build of torch"
        )
    return f"cuda:{number}" if match[1] else name


def gpu_count() -> int:
    """Return the number of GPUs torch can use; without a driver, torch is not imported."""
    if not _gpu_driver():
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bf16 natively (AVX-512 BF16, AMX, or ARM's BF16 on Linux)."""
    if sys.platform == "linux":
        with suppress(OSError), Path("/proc/cpuinfo").open() as facts:
            features = next((line for line in facts if line.startswith(_FEATURE_LINES)), "")
            return not _BF16_FEATURES.isdisjoint(features.split())
    import torch

    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _gpu_driver() -> bool:
    """Whether torch might find a GPU."""
    if sys.platform != "linux":
        return sys.platform != "darwin"
    if Path("/dev/kfd").exists():  # AMD
        return True
    try:
        ctypes.CDLL("libcuda.so.1")  # as the CUDA runtime in torch loads it
    except OSError:
        return False
    return True
