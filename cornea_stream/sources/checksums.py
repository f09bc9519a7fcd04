"""The CRC-32 of FFV1 and Ogg: FFmpeg's readers only log what does not match."""

from __future__ import annotations

import zlib

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_FOOTER = 8
"""Bytes behind each slice of FFV1 with error detection (RFC 9043, 4.9): size, status and CRC."""


def remainder(content: bytes) -> int:
    """Return the CRC-32 of the bytes, highest bit first, beginning with 0.

    It is 0 if the bytes end with their own checksum.
    """
    lowest_first = zlib.crc32(content.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{lowest_first:032b}"[::-1], 2)


class SliceChecksums:
    """Checks the slices of FFV1 packets.

    Not all files have checksums in their slices: the first match shows it. A header that does not
    match its own is refused by the decoder.
    """

    def __init__(self) -> None:
        self._present = False

    def failures(self, packet: bytes) -> list[int]:
        """Return [0] if a slice of the packet or its length is damaged."""
        match = _all_match(packet)
        self._present |= match
        return [0] if self._present and not match else []

    def failures_at_end(self) -> list[int]:
        """Return nothing: every packet stands for itself."""
        return []


def _all_match(packet: bytes) -> bool:
    end = len(packet)
    while end >= _FOOTER:
        size = int.from_bytes(packet[end - _FOOTER : end - _FOOTER + 3], "big")
        begin = end - _FOOTER - size
        if begin < 0 or remainder(packet[begin:end]):
            return False
        end = begin
    return end == 0
