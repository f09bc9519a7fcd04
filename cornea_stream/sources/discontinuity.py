"""Concatenated recordings: their timestamps restart, and are made continuous."""

from __future__ import annotations

from fractions import Fraction

from av.video.stream import VideoStream

from cornea_stream.sources.rate import frame_rate

_BACK_S, _REORDERED = 0.5, 17
"""Smaller steps back, in seconds or frames, stay within one recording."""
_TICKS_AHEAD = 2**31 - 1
"""How far times run ahead at most: no frame of an mp4 lasts longer, and FFmpeg aborts over it.

Its reader of MPEG-TS, whose clock begins anew after 26 hours, makes so much of times that run back.
"""


class Joints:
    """Computes the shift of each recording, so that it follows the previous one.

    `shifts` has one value per recording so far, in ticks of the video's time base.
    """

    def __init__(self, stream: VideoStream) -> None:
        self.time_base = stream.time_base or Fraction(1, 90000)
        self.step = max(1, round(1 / (frame_rate(stream) * self.time_base)))
        self.shifts = [0]
        self._back_s = max(_BACK_S, float(_REORDERED * self.step * self.time_base))
        self._ahead_s = float(_TICKS_AHEAD * self.time_base)
        self._latest: int | None = None

    def shift(self, pts: int) -> int:
        """Return the shift for the next frame or packet."""
        if self._latest is not None and self.is_jump(float((pts - self._latest) * self.time_base)):
            self.shifts.append(self.shifts[-1] + self._latest + self.step - pts)
            self._latest = pts
        self._latest = pts if self._latest is None else max(self._latest, pts)
        return self.shifts[-1]

    def is_jump(self, seconds: float) -> bool:
        """Whether a step of this size means that another recording begins."""
        return seconds < -self._back_s or seconds > self._ahead_s

    def shift_s(self, recording: int) -> float:
        """Return the shift of a recording in seconds."""
        return float(self.shifts[recording] * self.time_base)
