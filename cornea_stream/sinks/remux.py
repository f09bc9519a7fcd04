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


def make_ordinary(path: Path, metadata: Mapping[str, str], rate: Fraction) -> None:
    """Replace a fragmented mp4 by an ordinary one with its index at the beginning.

    `metadata` is added; its timecode counts frames at `rate`, and the last frame lasts as one.
    Raises OutputError; `path` is then unchanged.
    """
    with (
        atomic_path(path) as ordinary,
        av.open(
            f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="replace"
        ) as source,
        av.open(
            f"file:{ordinary}", "w", options=index_first(metadata) | _timescale(source)
        ) as sink,
    ):
        sink.metadata.update(metadata)
        copies = []
        for stream in source.streams:
            # Opaque: otherwise PyAV requires an encoder with the decoder's name; libdav1d has none.
            copy = sink.add_stream_from_template(stream, opaque=True)
            copy.time_base = stream.time_base
            copy.codec_context.codec_tag = stream.codec_context.codec_tag
            if isinstance(copy, VideoStream):
                copy.codec_context.framerate = rate
            copies.append(copy)
        for packet in source.demux():
            if packet.dts is not None:  # None marks the end
                if isinstance(packet.stream, VideoStream):
                    # Fragments store the distance of decoding times, those of VP9 nothing.
                    packet.duration = max(1, round(1 / (rate * packet.time_base)))
                packet.stream = copies[packet.stream.index]
                sink.mux(packet)


def _timescale(source: InputContainer) -> dict[str, str]:
    time_base = source.streams.video[0].time_base if source.streams.video else None
    return movie_timescale(time_base) if time_base else {}
