"""Whether a JPEG or PNG is whole by its own structure; decoders fill in what is missing."""

from __future__ import annotations

import re
import zlib

_PNG, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND"
_JPEG, _JPEG_END, _SCAN = b"\xff\xd8", 0xD9, 0xDA
_RESTARTS = range(0xD0, 0xD8)
_LONE = frozenset({0x01, 0xD8, *_RESTARTS})
"""Markers of JPEG that no length follows (ITU-T T.81, B.1.1.3)."""
_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)


def is_whole(content: bytes) -> bool:
    """Return False for a JPEG or PNG that is cut off or whose parts do not follow each other."""
    if content.startswith(_PNG):
        return _is_whole_png(content)
    return not content.startswith(_JPEG) or _is_whole_jpeg(content)


def _is_whole_png(content: bytes) -> bool:
    at = len(_PNG)
    while at + 12 <= len(content):
        kind, end = content[at + 4 : at + 8], at + 8 + int.from_bytes(content[at : at + 4], "big")
        if zlib.crc32(content[at + 4 : end]) != int.from_bytes(content[end : end + 4], "big"):
            return False
        if kind == _PNG_END:
            return True
        at = end + 4
    return False


def _is_whole_jpeg(content: bytes) -> bool:
    at, in_scan, restart = 0, False, 0
    while found := _MARKER.search(content, at):
        marker, at = found[1][0], found.end()
        if marker == _JPEG_END:
            return True
        if marker in _RESTARTS:
            if not in_scan or marker != _RESTARTS[restart % len(_RESTARTS)]:
                return False
            restart += 1
        elif marker not in _LONE:
            at += int.from_bytes(content[at : at + 2], "big")
            in_scan, restart = marker == _SCAN, 0
    return False
