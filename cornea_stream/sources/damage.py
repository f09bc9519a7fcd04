"""Records of damage in constant memory, however long a source runs."""

from __future__ import annotations

_TOLD = 20


class Damage:
    """Counts packets that could not be decoded, and the stretches of time they are in."""

    def __init__(self) -> None:
        self.packets = 0
        self._stretches: list[tuple[float, float]] = []
        self._further = 0

    @property
    def stretches(self) -> list[tuple[float, float]]:
        """Begin and end of the recorded stretches in seconds."""
        return self._stretches[:_TOLD]

    def note(self, time_s: float) -> None:
        """Count a packet; within a second of the previous one, it extends the same stretch."""
        self.packets += 1
        if self._stretches and abs(time_s - self._stretches[-1][1]) <= 1:
            first, last = self._stretches[-1]
            self._stretches[-1] = (first, max(last, time_s))
            return
        if len(self._stretches) > _TOLD:  # the last one only marks where the next begins
            self._stretches.pop()
            self._further += 1
        self._stretches.append((time_s, time_s))

    def __str__(self) -> str:
        stretches = ", ".join(f"{a:.2f}–{b:.2f} s" for a, b in self.stretches)
        untold = self._further + len(self._stretches[_TOLD:])
        more = f" and {untold} more" if untold else ""
        return f"{self.packets} damaged packets near {stretches}{more}"
