"""Recordings joined end to end: the times of each begin anew, and are counted on."""

from __future__ import annotations

from fractions import Fraction

from av.video.stream import VideoStream

FALLBACK_RATE = Fraction(25)
_BACK_S, _REORDERED = 0.5, 17
"""Times that run back by less than this, or than this many frames, are of one recording."""
_TICKS_AHEAD = 2**31 - 1
"""How far times run ahead at most: no frame of an mp4 lasts longer, and FFmpeg aborts over it.

Its reader of MPEG-TS, whose clock begins anew after 26 hours, makes so much of times that run back.
"""


class Joints:
    """What to add to the times of a video's pictures so that each recording follows the one before.

    `shifts` has a value for every recording begun so far, in ticks of the video's time base.
    """

    def __init__(self, stream: VideoStream) -> None:
        self.time_base = stream.time_base or Fraction(1, 90000)
        self.step = max(1, round(1 / ((stream.average_rate or FALLBACK_RATE) * self.time_base)))
        self.shifts = [0]
        self._back_s = max(_BACK_S, float(_REORDERED * self.step * self.time_base))
        self._ahead_s = float(_TICKS_AHEAD * self.time_base)
        self._latest: int | None = None

    def shift(self, pts: int) -> int:
        """Return what to add to the time of the next picture or packet."""
        if self._latest is not None and self.is_jump(float((pts - self._latest) * self.time_base)):
            self.shifts.append(self.shifts[-1] + self._latest + self.step - pts)
            self._latest = pts
        self._latest = pts if self._latest is None else max(self._latest, pts)
        return self.shifts[-1]

    def is_jump(self, seconds: float) -> bool:
        """Whether times that go on by so much are those of another recording."""
        return seconds < -self._back_s or seconds > self._ahead_s

    def shift_s(self, recording: int) -> float:
        """Return the shift of a recording in seconds."""
        return float(self.shifts[recording] * self.time_base)
