"""Times and durations as people type them."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from numbers import Real

from cornea_stream.errors import UsageError, wrong_type

_NUMBER = r"\d+(?:\.\d*)?|\.\d+"
_CLOCK = re.compile(rf"(?:(?:(?P<h>\d+):)?(?P<m>\d{{1,2}}):)?(?P<s>{_NUMBER})", re.ASCII)
_UNITS = re.compile(
    rf"(?:(?P<h>{_NUMBER})h)?(?:(?P<m>{_NUMBER})m)?(?:(?P<s>{_NUMBER})s)?", re.ASCII
)


def parse_time(text: str) -> float:
    """Return the seconds that `text` says: 90, 90s, 1m30s, 5m, 1h, MM:SS.mmm or HH:MM:SS.mmm.

    Raises UsageError for anything else, and for times before 0.
    """
    typed = text.strip()
    if typed.startswith("-"):
        raise UsageError(f"negative time: {text!r}: give a time from 0 on")
    match = _CLOCK.fullmatch(typed) or _UNITS.fullmatch(typed)
    if typed and match:
        hours, minutes, seconds = (float(match[unit] or 0) for unit in "hms")
        total = 3600 * hours + 60 * minutes + seconds
        carries = ":" in typed and (seconds >= 60 or (match["h"] and minutes >= 60))
        if math.isfinite(total) and not carries:
            return total
    raise UsageError(f"not a time: {text!r}: give seconds (90), 1m30s or HH:MM:SS.mmm")


def optional_seconds(name: str, time: object) -> float | None:
    """Return the seconds of a parameter that can be None, as `as_seconds` does."""
    return None if time is None else as_seconds(name, time)


def as_seconds(name: str, time: object) -> float:
    """Return the seconds of the parameter `name`: a number, a text or a `timedelta`.

    Raises UsageError for anything else, and for times before 0.

    >>> as_seconds("start_s", "1:30"), as_seconds("start_s", 90)
    (90.0, 90.0)
    """
    if isinstance(time, str):
        return parse_time(time)
    if isinstance(time, timedelta):
        time = time.total_seconds()
    if isinstance(time, bool) or not isinstance(time, Real):
        raise wrong_type(name, time, 'seconds, or a text such as "1:30" or "1m30s"')
    seconds = float(time)
    if not 0 <= seconds < math.inf:
        raise UsageError(f"{name} must be 0 or more: {time}: try 1.5")
    return seconds


def parse_duration(text: str) -> float:
    """Return the seconds that `text` says, more than 0, in the notation of `parse_time`.

    Raises UsageError for anything else.
    """
    seconds = parse_time(text)
    if seconds == 0:
        raise UsageError(f"not a duration: {text!r}: give more than 0, such as 60s or 5m")
    return seconds
