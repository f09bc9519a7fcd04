"""A result with the machine that it was measured on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch

from cornea_stream.runs.environment import machine, versions


def save(path: Path, result: Mapping[str, object]) -> None:
    """Write a result as JSON, with machine and versions, and print it."""
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    kernels = torch.backends.cpu.get_cpu_capability()
    where = {
        "machine": f"{machine()}, {kernels}",
        **({"gpus": gpus} if gpus else {}),
        "versions": versions(),
    }
    text = json.dumps({**result, **where}, indent=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")
    print(text)
