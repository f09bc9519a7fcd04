"""The precision of torch on a device."""

from __future__ import annotations

import torch

from cornea_stream.engines.device import cpu_has_bf16
from cornea_stream.errors import UsageError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_precision(name: str, device: torch.device) -> str:
    """Return fp32, bf16 or fp16; for auto, the fastest native precision of `device`.

    Raises UsageError for an unknown name.
    """
    if name == "auto":
        if device.type == "cuda":
            return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
        return "bf16" if cpu_has_bf16() else "fp32"
    if name not in DTYPES:
        raise UsageError(f"unknown precision: {name!r}: use auto, {', '.join(DTYPES)}")
    return name
