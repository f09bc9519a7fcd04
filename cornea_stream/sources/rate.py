"""The frame rate of a stream, which headers often give wrong."""

from __future__ import annotations

from fractions import Fraction

from av.video.stream import VideoStream

FALLBACK_RATE = Fraction(25)
_HIGHEST_RATE = 1000
"""Higher rates are ticks of a clock: FFmpeg gives short DV files 60000 frames per second."""
_RAW_TICK = Fraction(1, 1200000)
"""Time base of raw streams. Their average rate is always the 25 of FFmpeg's reader."""


def frame_rate(stream: VideoStream) -> Fraction:
    """Return the average, else the guessed or the base rate, whichever is plausible, else 25."""
    rates = [stream.average_rate, stream.guessed_rate, stream.base_rate]
    if stream.time_base == _RAW_TICK:
        del rates[0]
    return next((rate for rate in rates if rate and 0 < rate <= _HIGHEST_RATE), FALLBACK_RATE)
