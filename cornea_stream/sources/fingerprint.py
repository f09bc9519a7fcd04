"""Fingerprints that detect whether a source has changed since a run."""

from __future__ import annotations

import hashlib
from pathlib import Path


def fingerprint(path: Path) -> str:
    """Return a short hash of the size and time of a file, or of all files in a folder."""
    files = (
        sorted(p for p in path.iterdir() if p.is_file() and p.name[0] != ".")
        if path.is_dir()
        else [path]
    )
    facts = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:24]
