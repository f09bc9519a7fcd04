"""The command that runs an archive in two processes."""

from __future__ import annotations

import sys
from pathlib import Path


def command(folder: Path, checkpoint: Path, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "cornea_stream", "run", str(folder / "rec"), "--jobs", "2"),
        *("-o", str(folder / "out"), "--checkpoint", str(checkpoint), "--backend", "torch", *more),
    ]
