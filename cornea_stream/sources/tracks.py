"""The tracks of a media file, in words, and which one a run reads."""

from __future__ import annotations

from pathlib import Path

from av.audio.stream import AudioStream
from av.stream import Stream
from av.video.stream import VideoStream

from cornea_stream.sources.containers import open_media
from cornea_stream.sources.rate import frame_rate, rate_basis
from cornea_stream.sources.video_track import pick_stream


def describe_tracks(path: Path) -> tuple[list[str], str]:
    """Return a line per track of a video file, and where the frame rate comes from.

    Raises SourceError.
    """
    with open_media(path) as container:
        chosen = pick_stream(container, path)
        lines = [_line(stream, stream.index == chosen.index) for stream in container.streams]
        return lines, rate_basis(chosen)


def _line(stream: Stream, is_read: bool) -> str:
    context = getattr(stream, "codec_context", None)
    parts = [str(stream.index), stream.type, context.name if context else "unknown codec"]
    if isinstance(stream, VideoStream) and context:
        parts += [f"{stream.width}x{stream.height}", f"{float(frame_rate(stream)):.5g} fps"]
    if isinstance(stream, AudioStream) and context:
        parts += [f"{stream.rate} Hz", f"{stream.channels} channels"]
    if stream.language:
        parts.append(stream.language)
    parts += [
        flag.name for flag in type(stream.disposition) if flag & stream.disposition and flag.name
    ]
    return " ".join(parts) + (" (read by a run)" if is_read else "")
