"""The units of H.264 and HEVC in a raw stream, and the codes that they are made of."""

from __future__ import annotations

import re
from collections.abc import Iterator

_START = b"\x00\x00\x01"
_ESCAPED = re.compile(rb"\x00\x00\x03")
_FORBIDDEN = re.compile(rb"\x00\x00(?:\x00[^\x00\x01]|\x02|\x03[^\x00-\x03])", re.DOTALL)
"""Sequences that encoders escape, so that none of them is in a unit (ITU-T H.264, 7.4.1)."""
_HEADER_BYTES = 512


def units(packet: bytes) -> Iterator[bytes]:
    """Yield the units between start codes: the first bytes of each, without escapes."""
    at = packet.find(_START)
    while at >= 0:
        begin, at = at + 3, packet.find(_START, at + 3)
        end = begin + _HEADER_BYTES if at < 0 else min(at, begin + _HEADER_BYTES)
        yield _ESCAPED.sub(b"\x00\x00", packet[begin:end])


def holds_forbidden_bytes(packet: bytes) -> bool:
    """Whether bytes are in a packet that no encoder writes."""
    return _FORBIDDEN.search(packet) is not None


class Bits:
    """Reads codes from the bits of a unit. Raises EOFError at its end."""

    def __init__(self, content: bytes, skip: int) -> None:
        """Begin after `skip` bytes."""
        self._bits, self._left = int.from_bytes(content, "big"), 8 * (len(content) - skip)

    def number(self, count: int) -> int:
        """Return a number of so many bits."""
        self._left -= count
        if self._left < 0:
            raise EOFError
        return self._bits >> self._left & (1 << count) - 1

    def flag(self) -> bool:
        """Return one bit."""
        return bool(self.number(1))

    def golomb(self) -> int:
        """Return an unsigned number in Exp-Golomb code."""
        zeros = 0
        while not self.number(1):
            zeros += 1
        return (1 << zeros) - 1 + self.number(zeros)

    def signed_golomb(self) -> int:
        """Return a signed number in Exp-Golomb code."""
        code = self.golomb()
        return (code + 1) // 2 if code % 2 else -code // 2
