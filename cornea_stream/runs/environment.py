"""Facts about the environment of a run, a source or a checkpoint."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from cornea_stream.models.checkpoint import load_checkpoint
from cornea_stream.models.pretrained_folder import weights_file
from cornea_stream.models.shipped import shipped_weights

PACKAGES = (
    "cornea-stream",
    "torch",
    "segmentation-models-pytorch",
    "av",
    "numpy",
    "opencv-python-headless",
)
_CHECKPOINT_SUFFIXES = (".bin", ".ckpt", ".pth", ".pt", ".safetensors")


def versions() -> dict[str, str | None]:
    """Return the versions of Python and of the packages that affect results."""
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


def describe_path(path: Path, *, scan: bool = False) -> dict[str, Any]:
    """Return the properties of a source or a checkpoint without processing it.

    With `scan`, a source is read through.

    Raises SourceError or CheckpointError if it cannot be read.
    """
    named = str(path) in shipped_weights() and not path.exists()
    is_pretrained = weights_file(path) != path  # a folder
    if named or is_pretrained or path.suffix in _CHECKPOINT_SUFFIXES:
        checkpoint = load_checkpoint(path)
        parameters = sum(t.numel() for t in checkpoint.state_dict.values())
        return {
            "checkpoint": checkpoint.path,
            **checkpoint.spec.to_dict(),
            "numbers stored": parameters,
            "sha256": checkpoint.sha256,
            **({"notes": "; ".join(checkpoint.notes)} if checkpoint.notes else {}),
            **checkpoint.metadata,
        }
    from cornea_stream.runs.source_facts import describe_source

    return describe_source(path, scan=scan)
