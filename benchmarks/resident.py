"""The memory of a process over time."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

SAMPLE_EVERY_S = 2.0

Samples = list[tuple[float, float]]
"""Pairs of seconds and resident MiB."""


def sampled(process: subprocess.Popen[str], recording: Path) -> Samples:
    """Return samples of a process, from when the part file of its recording is there."""
    samples: Samples = []
    began = None
    while process.poll() is None:
        if recording.exists():
            began = began or time.monotonic()
            samples.append((round(time.monotonic() - began, 1), resident_mib(process.pid)))
        time.sleep(SAMPLE_EVERY_S if began else 0.1)
    return samples


def resident_mib(pid: int) -> float:
    """Return the resident set of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return round(int(status.partition("VmRSS:")[2].split()[0]) / 1024, 1)


def growth_per_minute(samples: Sequence[tuple[float, float]]) -> float:
    """Return the slope over the second half of the samples, MiB per minute."""
    half = samples[len(samples) // 2 :]
    slope = np.polyfit(*np.transpose(half), 1)[0] if len(half) > 1 else 0.0
    return round(60 * float(slope), 3)
