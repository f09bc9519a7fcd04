"""Timecodes (SMPTE 12M): labels of frames, HH:MM:SS:FF, or HH:MM:SS;FF if labels are dropped."""

from __future__ import annotations

import math
import re
from fractions import Fraction

_TIMECODE = re.compile(r"([01]\d|2[0-3]):([0-5]\d):([0-5]\d)([:;.])(\d{2,3})", re.ASCII)
_FASTEST, _NEAR = 255, 5e-4
"""Frames per second that mp4 can store, and how near a measured rate is to the one meant."""


def timecode_at(timecode: str, rate: Fraction, time_s: float) -> str | None:
    """Return the label of the first frame at or after `time_s`, if `timecode` is that of time 0.

    None stands for labels that do not fit the frame rate.
    """
    match = _TIMECODE.fullmatch(timecode.strip())
    per_second = round(rate)
    if match is None or not int(match[5]) < per_second <= _FASTEST:
        return None
    hours, minutes, seconds, frames = (int(match[i]) for i in (1, 2, 3, 5))
    # Two of 30 labels, and so on, are left out per minute, except for every tenth.
    dropped = 0 if match[4] == ":" else 2 * per_second // 30
    if dropped and (per_second % 30 or abs(rate * 1001 / 1000 / per_second - 1) > _NEAR):
        return None
    whole_minutes = 60 * hours + minutes
    count = (60 * whole_minutes + seconds) * per_second + frames
    count -= dropped * (whole_minutes - whole_minutes // 10)
    return _label(count + math.ceil(time_s * rate - Fraction(1, 1000)), per_second, dropped)


def _label(count: int, per_second: int, dropped: int) -> str:
    in_ten = 600 * per_second - 9 * dropped
    tens, rest = divmod(count, in_ten)
    in_one = 60 * per_second - dropped
    within = 0 if rest < 60 * per_second else 1 + (rest - 60 * per_second) // in_one
    minutes, frames = divmod(count + dropped * (9 * tens + within), 60 * per_second)
    seconds, frames = divmod(frames, per_second)
    hours, minutes = divmod(minutes, 60)
    mark = ";" if dropped else ":"
    return f"{hours % 24:02}:{minutes:02}:{seconds:02}{mark}{frames:02}"
