"""Whether the times of a file are those of decoding, so that they say nothing about display."""

from __future__ import annotations

from contextlib import suppress

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

_TRIED = 24
"""Packets in which frames that are shown out of order are looked for."""


def has_only_decoding_times(container: InputContainer, stream: VideoStream) -> bool:
    """Whether the format of a file stores when frames are decoded.

    AVI has no other times, and Matroska neither if it holds a stream as AVI does, with a FourCC.
    Those of raw MPEG streams are FFmpeg's own, and begin late.
    """
    name, tag = container.format.name, stream.codec_context.codec_tag
    if "matroska" in name:
        return tag.strip("\0") != ""
    return name in ("avi", "mpegvideo")


def shows_decoding_times(container: InputContainer, stream: VideoStream) -> bool:
    """Whether a program stored the times of decoding as those of display.

    They grow from packet to packet, but not from frame to frame. Reads and decodes packets, so that
    the container has to be opened again.
    """
    packets: list[Packet[VideoStream]] = []
    with suppress(av.error.FFmpegError):
        for packet in container.demux(stream):
            if packet.pts is None or (packets and packet.pts <= (packets[-1].pts or 0)):
                break
            packets.append(packet)
            if len(packets) == _TRIED:
                break
        return len(packets) > 1 and _are_reordered(packets, stream)
    return False


def _are_reordered(packets: list[Packet[VideoStream]], stream: VideoStream) -> bool:
    frames = [frame for packet in packets for frame in packet.decode()]
    frames += stream.codec_context.decode(None)  # threads hold as many as there are
    times = [frame.pts for frame in frames if frame.pts is not None]
    return times != sorted(times)
