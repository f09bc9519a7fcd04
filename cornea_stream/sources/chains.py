"""The parts of the formats that FFmpeg reads without noticing that one is missing."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from cornea_stream.sources.checksums import remainder
from cornea_stream.sources.structure import Chain, read_at

_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_LISTS = (_SEGMENT, _CLUSTER)
_KNOWN = frozenset({
    _EBML, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367,
    0xA0, 0xA3, 0xA7, 0xAB, 0xAF, 0xBF, 0xE7, 0xEC, 0x5854,
})  # fmt: skip
"""Elements in a segment and in a cluster of Matroska (RFC 9559, 5.1)."""
_MXF = bytes.fromhex("060E2B34")
_OGG_HEADER = 27
_FLV_TAG_HEADER = 11
_AT_ONCE = 1 << 20
_DIF_BLOCK = 80
_DIF_KINDS = [0, 1, 1, 2, 2, 2, *9 * [3, *15 * [4]]]
"""Blocks of a sequence: header, subcode, auxiliary data, then sound before each 15 of video."""
_DIF_HEADERS = np.array([(k, _DIF_KINDS[:i].count(k)) for i, k in enumerate(_DIF_KINDS)], np.uint8)
"""The kind of each block, and its number among those of its kind."""
_GIF_HEADER, _GIF_TRAILER, _GIF_EXTENSION, _GIF_IMAGE = 13, 0x3B, 0x21, 0x2C
_GIF_DESCRIPTOR, _GIF_HAS_COLORS = 10, 0x80


class Elements(Chain):
    """The elements of Matroska."""

    def _next(self, position: int) -> int | None:
        kind, length, begin = _element(read_at(self._file, self._at, 12), self._at)
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
        count = max(1, min(min(position, self._end) - self._at, _AT_ONCE) // self._stride)
        following = self._at + count * self._stride
        if self._was_before:
            content = read_at(self._file, self._at, following - self._at)
            if content[self._first :: self._stride].count(self._mark) != count:
                return None
        return following


class DvFrames(Chain):
    """The frames of DV (IEC 61834-2), made of numbered blocks of equal length."""

    def __init__(self, file: BinaryIO, size: int, *, sequences: int, from_beginning: bool) -> None:
        super().__init__(file, size, from_beginning=from_beginning)
        self._headers = np.tile(_DIF_HEADERS, (sequences, 1))

    def _next(self, position: int) -> int | None:
        length = len(self._headers) * _DIF_BLOCK
        content = read_at(self._file, self._at, length)
        if len(content) == length and self._was_before:
            blocks = np.frombuffer(content, np.uint8).reshape(-1, _DIF_BLOCK)
            found = np.stack([blocks[:, 0] >> 5, blocks[:, 2]], axis=1)
            if not np.array_equal(found, self._headers):
                return None
        return self._at + length


class Pages(Chain):
    """The pages of Ogg, each with a checksum; FFmpeg passes over those that do not match."""

    def _next(self, position: int) -> int | None:
        head = read_at(self._file, self._at, _OGG_HEADER + 255)
        if len(head) < _OGG_HEADER or head[:4] != b"OggS":
            return None
        length = _OGG_HEADER + head[26] + sum(head[_OGG_HEADER : _OGG_HEADER + head[26]])
        page = bytearray(read_at(self._file, self._at, length))
        told, page[22:26] = int.from_bytes(page[22:26], "little"), bytes(4)
        return self._at + length if told == remainder(bytes(page)) else None


class Tags(Chain):
    """The tags of Flash video; the length of each stands behind it once more."""

    def _next(self, position: int) -> int | None:
        if self._at == 0:
            return int.from_bytes(read_at(self._file, 5, 4), "big") + 4
        length = int.from_bytes(read_at(self._file, self._at + 1, 3), "big") + _FLV_TAG_HEADER
        behind = int.from_bytes(read_at(self._file, self._at + length, 4), "big")
        return self._at + length + 4 if behind == length else None


class Triplets(Chain):
    """Keys, lengths and values of MXF (SMPTE 377)."""

    def _next(self, position: int) -> int | None:
        head = read_at(self._file, self._at, 25)
        if head[:4] != _MXF or len(head) < 17:
            return None
        long = head[16] & 0x7F if head[16] > 0x7F else 0
        length = int.from_bytes(head[17 : 17 + long], "big") if long else head[16]
        return self._at + 17 + long + length


class GifBlocks(Chain):
    """The blocks of GIF: extensions and images, each of which ends with an empty part."""

    def __init__(self, file: BinaryIO, size: int, *, from_beginning: bool) -> None:
        super().__init__(file, size, from_beginning=from_beginning)
        self._end = size + 1  # a trailer stands at the end

    def _next(self, position: int) -> int | None:
        at = self._at
        if at == 0:
            return _GIF_HEADER + _color_bytes(read_at(self._file, 10, 1))
        kind = read_at(self._file, at, 1)
        if kind == bytes([_GIF_TRAILER]):
            self._end = self._size
            return self._size  # what programs add behind it is their own
        if kind == bytes([_GIF_EXTENSION]):
            return self._behind_parts(at + 2)
        if kind == bytes([_GIF_IMAGE]):
            flags = read_at(self._file, at + _GIF_DESCRIPTOR - 1, 1)
            return self._behind_parts(at + _GIF_DESCRIPTOR + _color_bytes(flags) + 1)
        return None

    def _behind_parts(self, at: int) -> int:
        while length := int.from_bytes(read_at(self._file, at, 1), "big"):
            at += 1 + length
        return at + 1


def _color_bytes(flags: bytes) -> int:
    """Return the length of a table of colors."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & _GIF_HAS_COLORS else 0


def _element(head: bytes, at: int) -> tuple[int, int | None, int]:
    """Return id, length (None if unknown) and begin of the content of an element."""
    id_size = 9 - max(1, head[0].bit_length()) if head else 1
    rest = head[id_size:]
    size_size = 9 - max(1, rest[0].bit_length()) if rest else 1
    kind, unknown = int.from_bytes(head[:id_size], "big"), (1 << 7 * size_size) - 1
    length = int.from_bytes(rest[:size_size], "big") & unknown
    return kind, None if length == unknown else length, at + id_size + size_size
