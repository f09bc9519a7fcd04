"""Finds the structure of a file by its first bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from cornea_stream.sources.chains import (
    DvFrames,
    Elements,
    GifBlocks,
    Pages,
    Strides,
    Tags,
    Triplets,
)
from cornea_stream.sources.structure import Chain, Structure, read_at

_CHAINS: dict[bytes, type[Chain]] = {
    bytes.fromhex("1A45DFA3"): Elements, b"FLV": Tags, bytes.fromhex("060E2B34"): Triplets,
    b"OggS": Pages, b"GIF8": GifBlocks,
}  # fmt: skip
_DV, _PAL_SEQUENCES, _NTSC_SEQUENCES = bytes.fromhex("1F0700"), 12, 10
"""Each frame of DV begins with a header; so many sequences are a frame of 25 Mbit/s."""
_ASF = bytes.fromhex("3026B2758E66CF11A6D900AA0062CE6C")
_ASF_FILE_PROPERTIES = bytes.fromhex("A1DCAB8C47A9CF118EE400C00C205365")
_ASF_HEADER, _ASF_DATA_HEADER = 1 << 16, 50
_ASF_MARK = 0x82
"""Error correction data of two bytes, with which nearly all packets of ASF begin."""
_TS_SYNC, _TS_STRIDES, _TS_TRIED = 0x47, ((188, 0), (192, 4), (204, 0)), 5


@contextmanager
def structure_of(path: Path | None, *, from_beginning: bool) -> Iterator[Structure]:
    """Open the structure of a file for one pass; that of None and of other formats never breaks."""
    if path is None or not path.is_file():
        yield Structure(None, from_beginning=from_beginning)
        return
    with path.open("rb", buffering=0) as file:
        yield _structure(file, file.seek(0, 2), from_beginning)


def _structure(file: BinaryIO, size: int, from_beginning: bool) -> Structure:
    head = read_at(file, 0, _TS_TRIED * 204)
    for mark, chain in _CHAINS.items():
        if head.startswith(mark):
            return chain(file, size, from_beginning=from_beginning)
    if head.startswith(_DV):
        sequences = _PAL_SEQUENCES if head[3] & 0x80 else _NTSC_SEQUENCES
        return DvFrames(file, size, sequences=sequences, from_beginning=from_beginning)
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


def _boxes(file: BinaryIO, size: int) -> int | None:
    """Follow the boxes of a fragmented mp4; the frames of others are counted in their index."""
    at, fragmented = 0, False
    while at + 8 <= size:
        length, kind = struct.unpack(">I4s", read_at(file, at, 8))
        fragmented |= kind == b"moof"
        if length == 1:
            length = int.from_bytes(read_at(file, at + 8, 8), "big")
        if length == 0 and kind == b"mdat":
            return None  # up to the end
        if length < 8 or at + length > size:
            return at if fragmented else None
        at += length
    return None


def _asf(file: BinaryIO, size: int, from_beginning: bool) -> Structure:
    head = read_at(file, 0, _ASF_HEADER)
    place = head.find(_ASF_FILE_PROPERTIES)
    announced = int.from_bytes(head[place + 40 : place + 48], "little")
    shortest, longest = struct.unpack("<II", head[place + 92 : place + 100].ljust(8, b"\0"))
    data = int.from_bytes(head[16:24], "little")
    begin = data + _ASF_DATA_HEADER
    length = int.from_bytes(read_at(file, data + 16, 8), "little")
    if place < 0 or announced > size:
        return Structure(None if place < 0 else size, from_beginning=from_beginning)
    if not shortest == longest > 0 or read_at(file, begin, 1) != bytes([_ASF_MARK]):
        return Structure(None, from_beginning=from_beginning)
    return Strides(
        file, size, begin=begin, stride=longest, mark=_ASF_MARK, end=data + length,
        from_beginning=from_beginning,
    )  # fmt: skip
