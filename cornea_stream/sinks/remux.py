"""Turns a fragmented file into an ordinary one by copying packets."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from cornea_stream.sinks.mp4 import index_first, movie_timescale
from cornea_stream.storage import atomic_path


def make_ordinary(
    path: Path, metadata: Mapping[str, str] | None = None, rate: Fraction | None = None
) -> None:
    """Replace a fragmented mp4 by an ordinary one with its index at the beginning.

    `metadata` is added; its timecode counts frames at `rate`.
    Raises OutputError; `path` is then unchanged.
    """
    with (
        atomic_path(path) as ordinary,
        av.open(
            f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="replace"
        ) as source,
        av.open(
            f"file:{ordinary}", "w", options=index_first(metadata or {}) | _timescale(source)
        ) as sink,
    ):
        sink.metadata.update(metadata or {})
        copies = []
        for stream in source.streams:
            # Opaque: otherwise PyAV requires an encoder with the decoder's name; libdav1d has none.
            copy = sink.add_stream_from_template(stream, opaque=True)
            copy.time_base = stream.time_base
            copy.codec_context.codec_tag = stream.codec_context.codec_tag
            if isinstance(copy, VideoStream) and rate:
                copy.codec_context.framerate = rate
            copies.append(copy)
        for packet in source.demux():
            if packet.dts is not None:  # None marks the end
                if not packet.duration and isinstance(packet.stream, VideoStream):
                    packet.duration = _usual_duration(packet.stream)
                packet.stream = copies[packet.stream.index]
                sink.mux(packet)


def _timescale(source: InputContainer) -> dict[str, str]:
    time_base = source.streams.video[0].time_base if source.streams.video else None
    return movie_timescale(time_base) if time_base else {}


def _usual_duration(stream: VideoStream) -> int:
    """Return the ticks per frame; VP9 fragments lack it, and 0 would hide the last frame."""
    if not stream.average_rate or not stream.time_base:
        return 1
    return max(1, round(1 / (stream.average_rate * stream.time_base)))
