"""Where a file departs from its own structure: cut off, or parts that do not follow each other.

FFmpeg's readers end there or look for the next part, without an error. Only headers are read here.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from cornea_stream.sources.checksums import remainder

_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_LISTS = (_SEGMENT, _CLUSTER)
_KNOWN = frozenset({
    _EBML, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367,
    0xA0, 0xA3, 0xA7, 0xAB, 0xAF, 0xBF, 0xE7, 0xEC, 0x5854,
})  # fmt: skip
"""Elements in a segment and in a cluster of Matroska (RFC 9559, 5.1)."""
_ASF = bytes.fromhex("3026B2758E66CF11A6D900AA0062CE6C")
_ASF_FILE_PROPERTIES = bytes.fromhex("A1DCAB8C47A9CF118EE400C00C205365")
_ASF_HEADER, _ASF_DATA_HEADER = 1 << 16, 50
_ASF_MARK = 0x82
"""Error correction data of two bytes, with which nearly all packets of ASF begin."""
_MXF = bytes.fromhex("060E2B34")
_DV, _PAL_BYTES, _NTSC_BYTES = bytes.fromhex("1F0700"), 144000, 120000
"""Each frame of DV begins with a header; so many bytes are a frame of 25 Mbit/s."""
_OGG_HEADER = 27
_GIF_TRAILER, _GIF_PADDING = b";", 16
_TS_SYNC, _TS_STRIDES, _TS_TRIED = 0x47, ((188, 0), (192, 4), (204, 0)), 5
_AT_ONCE = 1 << 20
_FLV_TAG_HEADER = 11


@contextmanager
def structure_of(path: Path | None, *, from_beginning: bool) -> Iterator[Structure]:
    """Open the structure of a file for one pass; that of None and of other formats never breaks."""
    if path is None or not path.is_file():
        yield Structure(None, from_beginning=from_beginning)
        return
    with path.open("rb", buffering=0) as file:
        yield _structure(file, file.seek(0, 2), from_beginning)


def _structure(file: BinaryIO, size: int, from_beginning: bool) -> Structure:
    head = _read(file, 0, _TS_TRIED * 204)
    if head[:4] == _EBML.to_bytes(4, "big"):
        return Elements(file, size, from_beginning=from_beginning)
    if head[:3] == b"FLV":
        return Tags(file, size, from_beginning=from_beginning)
    if head[:4] == _MXF:
        return Triplets(file, size, from_beginning=from_beginning)
    if head[:3] == _DV:
        stride = _PAL_BYTES if head[3] & 0x80 else _NTSC_BYTES
        return Strides(
            file, size, begin=0, stride=stride, mark=_DV[0], from_beginning=from_beginning
        )
    if head[:4] == b"OggS":
        return Pages(file, size, from_beginning=from_beginning)
    if head[:4] == b"GIF8":
        whole = _GIF_TRAILER in _read(file, max(0, size - _GIF_PADDING), _GIF_PADDING)
        return Structure(None if whole else size, from_beginning=from_beginning)
    if head[4:8] == b"ftyp":
        return Structure(_boxes(file, size), from_beginning=from_beginning)
    if head[:16] == _ASF:
        return _asf(file, size, from_beginning)
    for stride, first in _TS_STRIDES:
        marks = head[first::stride]
        if marks and marks.count(_TS_SYNC) == len(marks):
            return Strides(
                file, size, begin=0, stride=stride, mark=_TS_SYNC, first=first,
                from_beginning=from_beginning,
            )  # fmt: skip
    return Structure(None, from_beginning=from_beginning)


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


class Elements(Chain):
    """The elements of Matroska."""

    def _next(self, position: int) -> int | None:
        kind, length, begin = _element(_read(self._file, self._at, 12), self._at)
        if kind == _SEGMENT and length is not None:
            self._end = begin + length
        sought = not self._was_before and length is not None and begin + length <= position
        if kind in _LISTS and not (kind == _CLUSTER and sought):
            return begin
        return begin + length if kind in _KNOWN and length is not None else None


class Strides(Chain):
    """Packets of equal length from `begin` on, with the byte `mark` at `first` (MPEG-TS, ASF)."""

    def __init__(
        self, file: BinaryIO, size: int, *, begin: int, stride: int, mark: int, first: int = 0,
        end: int | None = None, from_beginning: bool,
    ) -> None:  # fmt: skip
        super().__init__(file, size, from_beginning=from_beginning)
        self._at, self._end = begin, size if end is None else end
        self._stride, self._mark, self._first = stride, mark, first

    def _next(self, position: int) -> int | None:
        count = max(1, min(position - self._at, _AT_ONCE) // self._stride)
        following = self._at + count * self._stride
        if self._was_before:
            content = _read(self._file, self._at, following - self._at)
            if content[self._first :: self._stride].count(self._mark) != count:
                return None
        return following


class Pages(Chain):
    """The pages of Ogg, each with a checksum; FFmpeg passes over those that do not match."""

    def _next(self, position: int) -> int | None:
        head = _read(self._file, self._at, _OGG_HEADER + 255)
        if len(head) < _OGG_HEADER or head[:4] != b"OggS":
            return None
        length = _OGG_HEADER + head[26] + sum(head[_OGG_HEADER : _OGG_HEADER + head[26]])
        page = bytearray(_read(self._file, self._at, length))
        told, page[22:26] = int.from_bytes(page[22:26], "little"), bytes(4)
        return self._at + length if told == remainder(bytes(page)) else None


class Tags(Chain):
    """The tags of Flash video; the length of each stands behind it once more."""

    def _next(self, position: int) -> int | None:
        if self._at == 0:
            return int.from_bytes(_read(self._file, 5, 4), "big") + 4
        length = int.from_bytes(_read(self._file, self._at + 1, 3), "big") + _FLV_TAG_HEADER
        behind = int.from_bytes(_read(self._file, self._at + length, 4), "big")
        return self._at + length + 4 if behind == length else None


class Triplets(Chain):
    """Keys, lengths and values of MXF (SMPTE 377)."""

    def _next(self, position: int) -> int | None:
        head = _read(self._file, self._at, 25)
        if head[:4] != _MXF or len(head) < 17:
            return None
        long = head[16] & 0x7F if head[16] > 0x7F else 0
        length = int.from_bytes(head[17 : 17 + long], "big") if long else head[16]
        return self._at + 17 + long + length


def _element(head: bytes, at: int) -> tuple[int, int | None, int]:
    """Return id, length (None if unknown) and begin of the content of an element."""
    id_size = 9 - max(1, head[0].bit_length()) if head else 1
    rest = head[id_size:]
    size_size = 9 - max(1, rest[0].bit_length()) if rest else 1
    kind, unknown = int.from_bytes(head[:id_size], "big"), (1 << 7 * size_size) - 1
    length = int.from_bytes(rest[:size_size], "big") & unknown
    return kind, None if length == unknown else length, at + id_size + size_size


def _boxes(file: BinaryIO, size: int) -> int | None:
    """Follow the boxes of a fragmented mp4; the frames of others are counted in their index."""
    at, fragmented = 0, False
    while at + 8 <= size:
        length, kind = struct.unpack(">I4s", _read(file, at, 8))
        fragmented |= kind == b"moof"
        if length == 1:
            length = int.from_bytes(_read(file, at + 8, 8), "big")
        if length == 0 and kind == b"mdat":
            return None  # up to the end
        if length < 8 or at + length > size:
            return at if fragmented else None
        at += length
    return None


def _asf(file: BinaryIO, size: int, from_beginning: bool) -> Structure:
    head = _read(file, 0, _ASF_HEADER)
    place = head.find(_ASF_FILE_PROPERTIES)
    announced = int.from_bytes(head[place + 40 : place + 48], "little")
    shortest, longest = struct.unpack("<II", head[place + 92 : place + 100].ljust(8, b"\0"))
    data = int.from_bytes(head[16:24], "little")
    begin = data + _ASF_DATA_HEADER
    length = int.from_bytes(_read(file, data + 16, 8), "little")
    if place < 0 or announced > size:
        return Structure(None if place < 0 else size, from_beginning=from_beginning)
    if not shortest == longest > 0 or _read(file, begin, 1) != bytes([_ASF_MARK]):
        return Structure(None, from_beginning=from_beginning)
    return Strides(
        file, size, begin=begin, stride=longest, mark=_ASF_MARK, end=data + length,
        from_beginning=from_beginning,
    )  # fmt: skip


def _read(file: BinaryIO, at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(count)
