"""Records of damage in constant memory, however long a source runs."""

from __future__ import annotations

from collections import deque

_TOLD = 20
_REMEMBERED = 64
_TOGETHER_S = 1.0


class Damage:
    """Counts damaged packets, holes and breaks in a file, and the stretches that they spoil.

    A stretch lasts until `spread` sees a keyframe, because frames up to there refer to what is
    damaged. What lies before `begin_s` is not counted.
    """

    def __init__(self, begin_s: float = float("-inf")) -> None:
        self._begin_s = begin_s
        self.packets = self.holes = self.breaks = 0
        self._stretches: list[tuple[float, float]] = []
        self._further = 0
        self._open = False
        self._noted: deque[float] = deque(maxlen=_REMEMBERED)

    def __bool__(self) -> bool:
        return self.count > 0

    @property
    def count(self) -> int:
        """How many packets, holes and breaks were found."""
        return self.packets + self.holes + self.breaks

    @property
    def stretches(self) -> list[tuple[float, float]]:
        """Begin and end of the recorded stretches in seconds."""
        return self._stretches[:_TOLD]

    @property
    def last_s(self) -> float:
        """The end of the last stretch."""
        return self._stretches[-1][1] if self._stretches else float("-inf")

    @property
    def warnings(self) -> list[str]:
        """What was found, in one sentence, or nothing."""
        return [f"{self}: skipped or shown with errors"] if self else []

    def note(self, time_s: float) -> None:
        """Count a packet; packet, frame and gap of the same time count once."""
        if time_s >= self._begin_s and time_s not in self._noted:
            self._noted.append(time_s)
            self.packets += 1
            self._open = True
            self._add(time_s, time_s)

    def note_hole(self, begin_s: float, end_s: float) -> None:
        """Count a stretch in which nothing was recorded."""
        self.holes += 1
        self._add(begin_s, end_s)

    def note_break(self, time_s: float) -> None:
        """Count a place at which the file is cut off, or its parts do not follow each other."""
        if time_s >= self._begin_s:
            self.breaks += 1
            self._open = True
            self._add(time_s, time_s)

    def spread(self, time_s: float, *, key_frame: bool) -> None:
        """Extend the last stretch to a frame that is shown, unless a keyframe has ended it."""
        if self._open and self._stretches and time_s > self.last_s:
            self._open = not key_frame
            if self._open:
                self._stretches[-1] = (self._stretches[-1][0], time_s)

    def _add(self, begin_s: float, end_s: float) -> None:
        if self._stretches and begin_s <= self.last_s + _TOGETHER_S:
            first, last = self._stretches[-1]
            self._stretches[-1] = (min(first, begin_s), max(last, end_s))
            return
        if len(self._stretches) > _TOLD:  # the last one only marks where the next begins
            self._stretches.pop()
            self._further += 1
        self._stretches.append((begin_s, end_s))

    def __str__(self) -> str:
        stretches = ", ".join(f"{a:.2f}–{b:.2f} s" for a, b in self.stretches)
        untold = self._further + len(self._stretches[_TOLD:])
        more = f" and {untold} more" if untold else ""
        counts = [
            (self.packets, "damaged packet", "damaged packets"),
            (self.holes, "hole", "holes"),
            (self.breaks, "break in the file", "breaks in the file"),
        ]
        found = " and ".join(f"{n} {what if n == 1 else plural}" for n, what, plural in counts if n)
        return f"{found} near {stretches}{more}"
