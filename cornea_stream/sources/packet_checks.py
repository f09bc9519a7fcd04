"""Which packets are checked for damage that no decoder reports."""

from __future__ import annotations

from typing import Protocol

from av.container import InputContainer
from av.video.stream import VideoStream

from cornea_stream.sources.checksums import SliceChecksums
from cornea_stream.sources.picture_order import picture_order

_RAW = frozenset({"h264", "hevc"})


class PacketCheck(Protocol):
    """Takes the packets of a stream in the order of the file."""

    def failures(self, packet: bytes) -> list[int]:
        """Return how many packets ago damage was found: 0 for this one."""

    def failures_at_end(self) -> list[int]:
        """Return the same after the last packet."""


def packet_check(container: InputContainer, stream: VideoStream) -> PacketCheck | None:
    """Return what checks the packets of a stream, or None if there is nothing to check."""
    context = stream.codec_context
    if context.name == "ffv1":
        return SliceChecksums()
    return picture_order(context.name) if container.format.name in _RAW else None
