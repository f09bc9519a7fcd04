"""The frame rate of a stream, which headers often give wrong."""

from __future__ import annotations

from fractions import Fraction

from av.video.stream import VideoStream

FALLBACK_RATE = Fraction(25)
_HIGHEST_RATE = 1000
"""Higher rates are ticks of a clock, and so is this one if it is guessed: FFmpeg gives short DV
files 60000 frames per second, and files of two frames that count milliseconds 1000."""
_RAW_TICK = Fraction(1, 1200000)
"""Time base of raw streams. Their average rate is always the 25 of FFmpeg's reader."""


def frame_rate(stream: VideoStream) -> Fraction:
    """Return the average, else the guessed or the base rate, whichever is plausible, else 25."""
    return next((r for r in _rates(stream).values() if r and _is_plausible(r)), FALLBACK_RATE)


def duration_ticks(stream: VideoStream) -> int:
    """Return how long a frame is shown, in ticks of the stream."""
    return max(1, round(1 / (frame_rate(stream) * (stream.time_base or Fraction(1, 90000)))))


def rate_basis(stream: VideoStream) -> str:
    """Return in words which of them `frame_rate` gives."""
    return next((name for name, rate in _rates(stream).items() if _is_plausible(rate)), "assumed")


def _rates(stream: VideoStream) -> dict[str, Fraction | None]:
    rates = {
        "average of the times": stream.average_rate,
        "guessed from times and header": stream.guessed_rate,
        "smallest step of the times": stream.base_rate,
    }
    if stream.time_base == _RAW_TICK:
        del rates["average of the times"]
    average = rates.get("average of the times")
    return {name: r for name, r in rates.items() if r == average or r != _HIGHEST_RATE}


def _is_plausible(rate: Fraction | None) -> bool:
    return rate is not None and 0 < rate <= _HIGHEST_RATE
