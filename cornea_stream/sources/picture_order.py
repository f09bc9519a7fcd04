"""Finds frames that are missing in raw streams, which have neither times nor lengths.

H.264 and HEVC number their frames in the order of display, and H.264 also those that others refer
to. A number that is left out, and bytes that no encoder writes, are damage.
"""

from __future__ import annotations

import heapq
from collections import Counter

from cornea_stream.sources.nal_units import holds_forbidden_bytes, units
from cornea_stream.sources.picture_headers import H264Headers, Headers, HevcHeaders, Picture

_REORDERED = 17
"""At most 16 frames are decoded before one that is shown earlier."""
_SAMPLE, _FEWEST, _USUAL = 24, 4, 0.75
"""A step in the order is usual if it has this share of the first steps."""

_HEADERS: dict[str, type[Headers]] = {"h264": H264Headers, "hevc": HevcHeaders}


def picture_order(codec: str) -> PictureOrder | None:
    """Return what checks a raw stream of a codec, or None if its frames are not numbered."""
    headers = _HEADERS.get(codec)
    return PictureOrder(headers()) if headers else None


class PictureOrder:
    """Checks the packets of a raw stream in their order."""

    def __init__(self, headers: Headers) -> None:
        self._headers = headers
        self._order, self._numbers, self._any = _Order(), _Numbers(), False

    def failures(self, packet: bytes) -> list[int]:
        """Return how many frames ago something was found wrong, for each finding.

        That a frame is missing shows up to 17 frames later.
        """
        failed, late = holds_forbidden_bytes(packet), []
        for unit in units(packet):
            try:
                picture = self._headers.read(unit)
            except EOFError:
                failed = True
            except LookupError:
                continue  # its parameters are missing, which the decoder says
            else:
                if picture:
                    failed |= self._lacks_beginning(picture) | self._numbers.skipped(picture)
                    late += self._order.skipped(picture)
        return [*late, *([0] if failed else [])]

    def failures_at_end(self) -> list[int]:
        """Return how many frames before the end one is missing, for each."""
        return self._order.skipped_at_end()

    def _lacks_beginning(self, picture: Picture) -> bool:
        was_first, self._any = not self._any, True
        return was_first and not picture.stands_alone


class _Numbers:
    """Of reference frames, each has the number after that of the one before."""

    def __init__(self) -> None:
        self._last: int | None = None

    def skipped(self, picture: Picture) -> bool:
        """Take the next frame; return whether one is missing before it."""
        number, last = picture.number, self._last
        if picture.is_reference or picture.restarts:
            self._last = number
        if number is None or last is None or number == 0:
            return False
        return number not in (last, (last + 1) % picture.numbers)


class _Order:
    """In the order of display, all frames are the same step apart."""

    def __init__(self) -> None:
        self._waiting: list[int] = []
        self._base = self._count = 0
        self._last: int | None = None
        self._steps = _Steps()

    def skipped(self, picture: Picture) -> list[int]:
        """Take the next frame; return how many frames ago others are missing."""
        places = []
        if picture.restarts:
            places = self._show(0)
            self._last, self._base = None, picture.order or 0
        if picture.order is not None:
            half = picture.orders // 2
            order = self._base + (picture.order - self._base + half) % picture.orders - half
            if picture.is_reference:
                self._base = order
            heapq.heappush(self._waiting, order)
            places += self._show(_REORDERED)
        return self._ago(places)

    def skipped_at_end(self) -> list[int]:
        """Return how many frames before the end others are missing."""
        return self._ago([*self._show(0), *self._steps.odd_at_end()])

    def _show(self, keep: int) -> list[int]:
        odd = []
        while len(self._waiting) > keep:
            order = heapq.heappop(self._waiting)
            if self._last is not None:
                odd += self._steps.odd(order - self._last, self._count)
            self._last = order
            self._count += 1
        return odd

    def _ago(self, places: list[int]) -> list[int]:
        return [self._count + len(self._waiting) - place for place in places]


class _Steps:
    """Learns from the first steps which one is usual; longer ones are odd."""

    def __init__(self) -> None:
        self._usual: int | None = None
        self._first: list[tuple[int, int]] | None = []

    def odd(self, step: int, place: int) -> list[int]:
        """Take the step to a place; return the places of the steps that are odd."""
        if self._first is None:
            return [place] if self._is_odd(step) else []
        self._first.append((step, place))
        return self.odd_at_end() if len(self._first) == _SAMPLE else []

    def odd_at_end(self) -> list[int]:
        """Return the places of odd steps that were too few to learn from."""
        first, self._first = self._first or [], None
        if len(first) >= _FEWEST:
            usual, count = Counter(step for step, _ in first).most_common(1)[0]
            if usual > 0 and count >= _USUAL * len(first):
                self._usual = usual
        return [place for step, place in first if self._is_odd(step)]

    def _is_odd(self, step: int) -> bool:
        return self._usual is not None and not 0 < step <= self._usual
