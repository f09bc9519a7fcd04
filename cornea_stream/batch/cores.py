"""Divides the cores of a machine among workers."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path


def core_shares(count: int) -> list[frozenset[int]]:
    """Divide the cores among `count` workers: disjoint, adjacent, at least one each."""
    if hasattr(os, "sched_getaffinity"):
        cores = sorted(os.sched_getaffinity(0), key=_position)
    else:
        cores = list(range(os.cpu_count() or 1))
    if count >= len(cores):
        return [frozenset({cores[i % len(cores)]}) for i in range(count)]
    bounds = [len(cores) * i // count for i in range(count + 1)]
    return [frozenset(cores[a:b]) for a, b in pairwise(bounds)]


def _position(cpu: int) -> tuple[int, int, int]:
    """Return (socket, core, thread), so that threads of one core go to the same worker."""
    folder = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology")
    try:
        socket = int((folder / "physical_package_id").read_text())
        return socket, int((folder / "core_id").read_text()), cpu
    except (OSError, ValueError):
        return 0, cpu, cpu
