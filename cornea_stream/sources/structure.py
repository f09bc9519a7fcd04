"""Where a file departs from its own structure: cut off, or parts that do not follow each other.

FFmpeg's readers end there or look for the next part, without an error. Only headers are read here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import BinaryIO


class Structure:
    """Says once when reading passes the place at which a file breaks, `place`."""

    def __init__(self, place: int | None, *, from_beginning: bool) -> None:
        self._place, self._was_before = place, from_beginning

    def broken_before(self, position: int | None) -> bool:
        """Whether the break lies before the next packet, whose position may be unknown."""
        if self._place is None or position is None:
            return False
        if position < self._place:
            self._was_before = True
            return False
        self._place = None
        return self._was_before

    def broken_at_end(self) -> bool:
        """Whether reading ended before the break."""
        return self._place is not None and self._was_before


class Chain(Structure, ABC):
    """Follows parts of a file, each of which tells where the next one begins, as reading goes on.

    `_end` is where the last part should end.
    """

    def __init__(self, file: BinaryIO, size: int, *, from_beginning: bool) -> None:
        super().__init__(None, from_beginning=from_beginning)
        self._file, self._size = file, size
        self._at, self._end = 0, size

    def broken_before(self, position: int | None) -> bool:
        """Whether the parts up to the next packet do not follow each other."""
        if position is None:
            return False
        broken = self._follow(position)
        told, self._was_before = self._was_before, True
        return broken and told

    def broken_at_end(self) -> bool:
        """Whether the parts up to the end do not follow each other, or the end is missing."""
        return self._follow(self._size) or self._end > self._size

    @abstractmethod
    def _next(self, position: int) -> int | None:
        """Return where the part after the one at `_at` begins, or None if there is no such part.

        If reading does not begin before `position`, all up to there may be passed over.
        """

    def _follow(self, position: int) -> bool:
        while self._at < min(position, self._end, self._size):
            following = self._next(position)
            if following is None or following > self._size:
                self._at = self._end = self._size  # once is enough
                return True
            self._at = following
        return False


def read_at(file: BinaryIO, at: int, count: int) -> bytes:
    """Return up to `count` bytes of a file."""
    file.seek(at)
    return file.read(count)
