"""Facts for bug reports: this installation, a source, a checkpoint."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from cornea_stream.checkpoint import load_checkpoint

PACKAGES = (
    "cornea-stream",
    "torch",
    "segmentation-models-pytorch",
    "av",
    "numpy",
    "opencv-python-headless",
)
_CHECKPOINT_SUFFIXES = (".pth", ".pt", ".safetensors")


def versions() -> dict[str, str | None]:
    """Return the versions of Python and of the packages that decide what a run computes."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def machine() -> str:
    """Return operating system, processor architecture and core count."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"


def describe_installation() -> dict[str, Any]:
    """Return versions, machine, GPUs, FFmpeg libraries and the default weights."""
    import av
    import torch

    from cornea_stream.engines.device import cpu_has_bf16

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    weights = load_checkpoint()
    return {
        **versions(),
        "machine": machine(),
        "cpu capability": torch.backends.cpu.get_cpu_capability(),
        "cpu bf16": cpu_has_bf16(),
        "gpus": ", ".join(gpus) or "none",
        "ffmpeg": ", ".join(
            f"{name} {'.'.join(map(str, version))}" for name, version in av.library_versions.items()
        ),
        "default weights": f"{weights.path} (sha256 {weights.sha256[:12]}…)",
    }


def describe_path(path: Path) -> dict[str, Any]:
    """Return what is known of a source or a checkpoint without processing it.

    Raises SourceError or CheckpointError when it cannot be read.
    """
    if path.suffix in _CHECKPOINT_SUFFIXES:
        checkpoint = load_checkpoint(path)
        parameters = sum(t.numel() for t in checkpoint.state_dict.values())
        return {
            "checkpoint": path,
            **checkpoint.spec.to_dict(),
            "numbers stored": parameters,
            "sha256": checkpoint.sha256,
            **checkpoint.metadata,
        }
    from cornea_stream.source import open_source

    with open_source(path) as source:
        return asdict(source.info)
