"""From the fragments that survive a kill to an ordinary file: packets are copied, not encoded."""

from __future__ import annotations

from pathlib import Path

import av
from av.video.stream import VideoStream


def make_ordinary(path: Path) -> None:
    """Replace a fragmented mp4 by an ordinary one, whose index stands before the pictures.

    Raises av.error.FFmpegError or OSError; `path` is then as it was.
    """
    ordinary = path.with_name(f"{path.stem}.ordinary{path.suffix}")
    with (
        av.open(f"file:{path}", options={"protocol_whitelist": "file"}) as source,
        av.open(f"file:{ordinary}", "w", options={"movflags": "+faststart"}) as sink,
    ):
        copies = []
        for stream in source.streams:
            # Opaque: else PyAV wants an encoder of the decoder's name, and libdav1d has none.
            copy = sink.add_stream_from_template(stream, opaque=True)
            copy.time_base = stream.time_base
            copy.codec_context.codec_tag = stream.codec_context.codec_tag
            copies.append(copy)
        for packet in source.demux():
            if packet.dts is not None:  # else the mark of the end
                if not packet.duration and isinstance(packet.stream, VideoStream):
                    packet.duration = _usual_duration(packet.stream)
                packet.stream = copies[packet.stream.index]
                sink.mux(packet)
    ordinary.replace(path)


def _usual_duration(stream: VideoStream) -> int:
    """Return the ticks of a frame. Fragments of VP9 do not tell, and 0 would hide the last one."""
    if not stream.average_rate or not stream.time_base:
        return 1
    return max(1, round(1 / (stream.average_rate * stream.time_base)))
