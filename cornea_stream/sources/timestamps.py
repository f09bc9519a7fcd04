"""Timestamps of live recordings: from the source while continuous, else from the clock."""

from __future__ import annotations

from fractions import Fraction

TIME_BASE = Fraction(1, 90000)
_JUMP_S = 1.0
"""Maximum lead of source times over the clock from one frame to the next."""


class LiveClock:
    """Gives every frame an increasing time since the first one, in ticks of TIME_BASE.

    Intervals between frames come from the source, so that they are even if arrival is not. If its
    times are missing, run back or jump ahead, and after `interrupt`, the time of the clock is
    used, and counting continues from there. `jumps` counts the jumps of the source's own times.
    """

    def __init__(self) -> None:
        self.jumps = 0
        self._began_s: float | None = None
        self._anchor: tuple[float, float] | None = None  # (source's time, ours)
        self._before = (0.0, 0.0)  # source time and arrival of the last frame
        self._last = -1

    @property
    def last_s(self) -> float:
        """The time of the last frame."""
        return float(max(0, self._last) * TIME_BASE)

    def interrupt(self) -> None:
        """Forget the times of the source, which restart after an interruption."""
        self._anchor = None

    def tick(self, source_s: float | None, now_s: float) -> int:
        """Return the ticks of a frame that arrives now, with its source time if it has one."""
        if self._began_s is None:
            self._began_s = now_s
        elapsed_s = now_s - self._began_s
        if source_s is None:
            self._anchor = None
            return self._grow(elapsed_s)
        if self._anchor is not None:
            step_s = source_s - self._before[0]
            if step_s < 0 or step_s > now_s - self._before[1] + _JUMP_S:
                self.jumps += 1
                self._anchor = None
        self._before = (source_s, now_s)
        if self._anchor is None:
            ticks = self._grow(elapsed_s)
            self._anchor = (source_s, float(ticks * TIME_BASE))
            return ticks
        return self._grow(self._anchor[1] + source_s - self._anchor[0])

    def _grow(self, time_s: float) -> int:
        self._last = max(round(time_s / TIME_BASE), self._last + 1)
        return self._last
