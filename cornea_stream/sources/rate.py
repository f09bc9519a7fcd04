"""The frame rate of a stream, which headers often give wrong."""

from __future__ import annotations

from fractions import Fraction

from av.video.stream import VideoStream

FALLBACK_RATE = Fraction(25)
_HIGHEST_RATE = 1000
"""Higher rates are ticks of a clock: FFmpeg gives short DV files 60000 frames per second."""


def frame_rate(stream: VideoStream) -> Fraction:
    """Return the first plausible of the average, the guessed and the base rate, else 25."""
    rates = stream.average_rate, stream.guessed_rate, stream.base_rate
    return next((rate for rate in rates if rate and 0 < rate <= _HIGHEST_RATE), FALLBACK_RATE)
