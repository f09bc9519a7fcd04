"""When a source starts: all times are counted from there."""

from __future__ import annotations

from fractions import Fraction

import av
from av.container import InputContainer
from av.stream import Stream


def start_time(container: InputContainer) -> Fraction:
    """Return the time in seconds at which players begin to count, which need not be 0."""
    return Fraction(container.start_time or 0, av.time_base)


def start_ticks(container: InputContainer, stream: Stream) -> int:
    """Return the start in ticks of `stream`, exact if it is the stream that begins first."""
    ticks = round(start_time(container) / (stream.time_base or Fraction(1, 90000)))
    begin = stream.start_time
    if begin is not None and abs(begin - ticks) * (stream.time_base or 1) <= Fraction(
        2, av.time_base
    ):
        return begin
    return ticks
