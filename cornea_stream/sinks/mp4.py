"""Settings of the mp4 muxer."""

from __future__ import annotations

from fractions import Fraction

_FINEST = 2**31 - 1
_TRACK = 10_000
"""The mp4 muxer doubles the time scale of a video track until it reaches this."""


def movie_timescale(time_base: Fraction) -> dict[str, str]:
    """Return the option that makes the file's time scale that of its video track.

    The beginning of a track is stored in ticks of the file, by default milliseconds, which would
    round it.
    """
    scale = time_base.denominator
    while scale < _TRACK:
        scale *= 2
    return {"movie_timescale": str(scale)} if scale <= _FINEST else {}
