"""Which frames a Matroska file names as keyframes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from av.packet import Packet

_EVERY_S = 1


class SparseKeyframes:
    """Names one frame a second as a keyframe, of a video in which every frame is one.

    Matroska's index has an entry for each keyframe, which FFmpeg keeps in memory until the file is
    complete: hours of masks would add megabytes. Readers seek to the keyframe before.
    """

    def __init__(self) -> None:
        self._next_s: Fraction | None = None

    def mark(self, packet: Packet[Any]) -> None:
        """Set or clear the keyframe flag of the next packet, by its pts."""
        assert packet.pts is not None
        assert packet.time_base is not None
        time_s = packet.pts * packet.time_base
        packet.is_keyframe = self._next_s is None or time_s >= self._next_s
        if packet.is_keyframe:
            self._next_s = time_s + _EVERY_S


def sparse_keyframes(codec: str, container: str) -> SparseKeyframes | None:
    """Return what thins the keyframes of a video, None for one that needs all or keeps no index."""
    return SparseKeyframes() if (codec, container) == ("ffv1", "matroska") else None
