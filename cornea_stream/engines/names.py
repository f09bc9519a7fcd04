"""Devices and precisions as people spell them, in the names of the engines."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

from cornea_stream.errors import wrong_type

_PRECISIONS = {
    "float32": "fp32",
    "full": "fp32",
    "bfloat16": "bf16",
    "float16": "fp16",
    "half": "fp16",
}


def device_names(device: object) -> str:
    """Return a device as text: 0 is cuda:0, gpu is cuda; a `torch.device` and lists are taken too.

    Raises UsageError for any other type. Whether this machine has it is checked later.

    >>> device_names(0), device_names("CPU"), device_names("0,1"), device_names([0, 1])
    ('cuda:0', 'cpu', 'cuda:0,cuda:1', 'cuda:0,cuda:1')
    """
    if isinstance(device, str):
        return ",".join(map(_device_name, device.split(",")))
    if isinstance(device, Integral) and not isinstance(device, bool):
        return f"cuda:{device}"
    if isinstance(device, Sequence) and device:
        return ",".join(map(device_names, device))
    if (type(device).__module__, type(device).__name__) == ("torch", "device"):
        return str(device)
    raise wrong_type("device", device, "auto, cpu, cuda, cuda:N, a number or a torch.device")


def precision_name(precision: object) -> str:
    """Return a precision by the name that the engines use: half is fp16.

    Raises UsageError unless it is text. Whether it is known is checked later.

    >>> precision_name("half"), precision_name("float32"), precision_name("INT8")
    ('fp16', 'fp32', 'int8')
    """
    if not isinstance(precision, str):
        raise wrong_type("precision", precision, "auto, fp32, bf16, fp16 or int8")
    name = precision.strip().lower()
    return _PRECISIONS.get(name, name)


def _device_name(text: str) -> str:
    name = text.strip().lower()
    if name.isdigit():
        return f"cuda:{name}"
    return f"cuda{name[3:]}" if name.startswith("gpu") else name
