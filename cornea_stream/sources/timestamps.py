"""The times of a live recording: the source's own while they run on, else those of the clock."""

from __future__ import annotations

from fractions import Fraction

TIME_BASE = Fraction(1, 90000)
_JUMP_S = 1.0
"""How far a source's times may run ahead of the clock from one frame to the next."""


class LiveClock:
    """Gives every frame a time since the first one, in ticks of TIME_BASE, that always grows.

    Distances between frames are the source's, so that they are even where arrival is not. Where
    its times are absent, go back or jump ahead, and after `interrupt`, the clock's time is taken
    and counting goes on from there; `jumps` tells how often a source's times did that by itself.
    """

    def __init__(self) -> None:
        self.jumps = 0
        self._began_s: float | None = None
        self._anchor: tuple[float, float] | None = None  # (source's time, ours)
        self._before = (0.0, 0.0)  # the last frame's time by the source, and its arrival
        self._last = -1

    @property
    def last_s(self) -> float:
        """The time of the last frame."""
        return float(max(0, self._last) * TIME_BASE)

    def interrupt(self) -> None:
        """Forget the source's times: after a break it counts anew."""
        self._anchor = None

    def tick(self, source_s: float | None, now_s: float) -> int:
        """Return the ticks of a frame with the source's time, if it has one, that arrives now."""
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
