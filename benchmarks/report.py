"""A result with the machine that it was measured on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from cornea_stream.about import machine, versions


def save(path: Path, result: Mapping[str, object]) -> None:
    """Write a result as JSON, with machine and versions, and print it."""
    text = json.dumps({**result, "machine": machine(), "versions": versions()}, indent=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")
    print(text)
