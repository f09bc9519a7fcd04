"""Finds damage that no decoder reports: packets without a frame, gaps and early ends."""

from __future__ import annotations

from collections import deque

_NEAR = 0.75
"""Share of a frame's duration within which the second field of a frame lies, or a hidden frame."""
_WINDOW = 8
_LONGER, _LONG_S = 3.5, 0.13
"""A gap is a hole if it is longer than this, and so many times longer than the frames around it."""


class Losses:
    """Compares the times of packets with those of the frames decoded from them."""

    def __init__(self, step: int) -> None:
        self.first = 0
        self.newest: int | None = None
        self._near = _NEAR * step
        self._expected: set[int] = set()

    def expect(self, pts: int | None) -> None:
        """Take the time of a packet that is to be decoded."""
        if pts is not None:
            self.first = pts if self.newest is None and not self._expected else self.first
            self._expected.add(pts)

    def shown(self, pts: int | None) -> list[int]:
        """Take the time of the next frame; return those of the packets passed over without one."""
        if pts is None:
            return []
        self._expected.discard(pts)
        before, self.newest = self.newest, pts if self.newest is None else max(pts, self.newest)
        if not self._expected or min(self._expected) > self.newest:
            return []
        passed = sorted(late for late in self._expected if late < self.newest)
        self._expected.difference_update(passed)
        if before is None:  # frames before the first one refer to what was not read
            return []
        return [late for late in passed if before + self._near < late < pts - self._near]

    def left(self) -> list[int]:
        """Return the times of packets after the newest frame."""
        newest = self.newest
        return [] if newest is None else sorted(t for t in self._expected if t > newest)


class Gaps:
    """Finds gaps that are much longer than the frames before them."""

    def __init__(self) -> None:
        self._last_s: float | None = None
        self._hole: tuple[float, float] | None = None
        self._steps: deque[float] = deque(maxlen=_WINDOW)

    @property
    def longest_s(self) -> float:
        """The longest of the last intervals between frames."""
        return max(self._steps, default=0.0)

    def passed(self, time_s: float) -> tuple[float, float] | None:
        """Take the time of the next frame; return begin and end of a hole that lies before it."""
        last_s, self._last_s = self._last_s, time_s
        if last_s is None:
            return None
        step_s = time_s - last_s
        hole, self._hole = self._hole, None
        if hole is not None and step_s > self.longest_s:
            hole = None  # frames of such a length are usual here
        elif len(self._steps) == _WINDOW and step_s > max(_LONG_S, _LONGER * self.longest_s):
            self._hole = last_s, time_s
            return hole
        self._steps.append(step_s)
        return hole
