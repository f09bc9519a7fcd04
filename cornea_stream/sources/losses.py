"""Finds damage that no decoder reports: packets without a frame, gaps and early ends."""

from __future__ import annotations

from collections import deque

_NEAR = 0.75
"""Share of a frame's duration within which the second field of a frame lies, or a hidden frame."""
_WINDOW = 8
_LONGER, _LONG_S = 3.5, 0.13
"""A gap is a hole if it is longer than this, and so many times longer than the frames around it."""


class Losses:
    """Compares the times of packets with those of the frames decoded from them.

    They are equal, or if not `exact` about so, since the times of frames were computed.
    """

    def __init__(self, step: int, *, exact: bool = True) -> None:
        self.first = 0
        self.newest: int | None = None
        self._near, self._exact = _NEAR * step, exact
        self._expected: dict[int, None] = {}  # in the order of decoding

    def expect(self, pts: int | None) -> None:
        """Take the time of a packet that is to be decoded."""
        if pts is not None:
            self.first = pts if self.newest is None and not self._expected else self.first
            self._expected[pts] = None

    def shown(self, pts: int | None) -> list[int]:
        """Take the time of the next frame; return those of the packets passed over without one."""
        if pts is None:
            return []
        if self.newest is None:
            self.newest = pts
            return self._before_first(pts)
        self._expected.pop(pts if self._exact else self._nearest(pts), None)
        before, self.newest = self.newest, max(pts, self.newest)
        if not self._expected or min(self._expected) > self.newest:
            return []
        passed = sorted(late for late in self._expected if late < self.newest)
        for late in passed:
            del self._expected[late]
        return [late for late in passed if before + self._near < late < pts - self._near]

    def _nearest(self, pts: int) -> int:
        nearest = min(self._expected, key=lambda time: abs(time - pts), default=pts)
        return nearest if abs(nearest - pts) < self._near else pts

    def _before_first(self, pts: int) -> list[int]:
        """Return the times of packets that came before the one of the first frame.

        Those that came after it and are shown earlier refer to frames that were not read. Those
        that came before it and are shown later can still become frames.
        """
        if pts not in self._expected:
            return []
        order = list(self._expected)
        lost = [late for late in order[: order.index(pts)] if late < pts]
        self._expected = dict.fromkeys(late for late in order if late > pts)
        return lost

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
