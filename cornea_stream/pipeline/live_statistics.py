"""Statistics of a live run: received, shown and dropped frames, and latency."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from cornea_stream.media.frame import Frame


@dataclass(frozen=True, slots=True)
class LiveReport:
    """Frame counts and latencies; at the end of a run, received = shown + dropped.

    Latency is the time from a decoded frame to its mask in milliseconds, or 0 before the first
    mask. p50 and p95 are percentiles over the whole run.
    """

    received: int
    shown: int
    dropped: int
    latency_p50_ms: float
    latency_p95_ms: float


class LiveTally:
    """Counts the frames of a live run."""

    def __init__(self) -> None:
        self._received = self._shown = self._dropped = 0
        self._latency = Percentiles()

    def receive(self, frame: Frame) -> Frame:
        """Count a received frame and return it."""
        self._received += 1
        return frame

    def drop(self, frame: Frame) -> None:
        """Count a frame that was replaced by a newer one."""
        self._dropped += 1

    def show(self, frame: Frame) -> None:
        """Count a frame whose mask is ready."""
        self._shown += 1
        if frame.received_s is not None:
            self._latency.add(1000 * (time.perf_counter() - frame.received_s))

    def report(self) -> LiveReport:
        """Return the counts so far; frames in flight only count as received."""
        p50, p95 = (round(self._latency.at(share), 1) for share in (0.5, 0.95))
        return LiveReport(self._received, self._shown, self._dropped, p50, p95)


class Percentiles:
    """Percentiles of values from 0.1 to 1,000,000 with 1 % accuracy, in constant memory."""

    _LEAST, _MOST, _STEP = 0.1, 1e6, 0.02  # bin width on a logarithmic scale

    def __init__(self) -> None:
        self._counts = np.zeros(self._bin(self._MOST) + 1, np.int64)

    def add(self, value: float) -> None:
        """Count a value; values out of range are clipped."""
        self._counts[self._bin(min(max(value, self._LEAST), self._MOST))] += 1

    def at(self, share: float) -> float:
        """Return the quantile `share` (0 to 1) of all values; 0 without values."""
        upto = np.cumsum(self._counts)
        if not upto[-1]:
            return 0.0
        place = int(np.searchsorted(upto, share * upto[-1]))
        return float(self._LEAST * math.exp((place + 0.5) * self._STEP))

    def _bin(self, value: float) -> int:
        return int(math.log(value / self._LEAST) / self._STEP)
