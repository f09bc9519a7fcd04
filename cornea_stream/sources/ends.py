"""Where a video ends: by its header, by its last frame, and whether the end is missing."""

from __future__ import annotations

import contextlib
import re
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from cornea_stream.media.frame import Frame
from cornea_stream.sources.containers import open_media
from cornea_stream.sources.rate import frame_rate
from cornea_stream.sources.start_time import start_time

_EARLY_S, _MANY, _FEW, _NONE = 0.5, 5, 2.5, 0.75
"""An end that is earlier than the header says is damage, if more than this time and so many frames
are missing, or so few where the header gives the duration of the video alone, or even one where it
counts the frames or the file has statistics of the video."""
_STATISTICS_S = 0.01
_CLOCK = re.compile(r"(\d+):(\d\d):(\d\d\.\d+)\0*")
INDEXED = ("avi", "gif", "mov,mp4,m4a,3gp,3g2,mj2")
"""Formats that list all frames: a gap between two of them is no damage."""
_TELL_END = ("asf", "matroska,webm")
_TELL_DURATION = (*INDEXED, "matroska,webm", "flv", "asf")
"""Formats whose header holds the duration; that of others comes from what is there."""


def end_of(frame: Frame, rate: Fraction) -> float:
    """Return when a frame is no longer shown, in seconds."""
    time_base = frame.video.time_base
    if frame.video.duration and time_base is not None:
        return frame.time_s + float(frame.video.duration * time_base)
    return frame.time_s + float(1 / rate)


def header_duration(container: InputContainer, stream: VideoStream) -> float | None:
    """Return the duration in the header in seconds, or None if it is missing, 0 or negative."""
    if stream.duration and stream.duration > 0 and stream.time_base is not None:
        duration_s = float(stream.duration * stream.time_base)
    elif container.duration and container.duration > 0:
        duration_s = container.duration / av.time_base
    else:
        return None
    begin_s = float(start_time(container))
    # FFmpeg's own writers of these store the end, other programs store the length.
    stores_end = container.format.name in _TELL_END and 0 < begin_s < duration_s
    return duration_s - begin_s if stores_end else duration_s


def header_end(container: InputContainer, stream: VideoStream) -> float | None:
    """Return where the header says that the source ends, in seconds from its start, or None."""
    if container.format.name == "avi" and stream.frames:  # FFmpeg cuts the duration to the file
        return float(stream.frames / frame_rate(stream))
    if (end_s := tagged_end(container, stream)) is not None:
        return end_s
    duration_s = header_duration(container, stream)
    if duration_s is None or container.format.name not in _TELL_DURATION:
        return None
    if not stream.duration or stream.start_time is None or stream.time_base is None:
        return duration_s
    return duration_s + float(stream.start_time * stream.time_base - start_time(container))


def tagged_end(container: InputContainer, stream: VideoStream) -> float | None:
    """Return the end of a track by its own statistics, which muxers of Matroska write, or None.

    Statistics that go beyond the header are those of another file, from which this one was copied.
    """
    found = _CLOCK.fullmatch(stream.metadata.get("DURATION", ""))
    if found is None or "matroska" not in container.format.name or not container.duration:
        return None
    hours, minutes, seconds = map(float, found.groups())
    end_s = 3600 * hours + 60 * minutes + seconds
    if end_s > container.duration / av.time_base + _STATISTICS_S:
        return None
    end_s -= float(start_time(container))
    return end_s if end_s > 0 else None


def missing_end(
    container: InputContainer,
    stream: VideoStream,
    path: Path | None,
    last: Frame,
    longest_s: float,
) -> tuple[float, float] | None:
    """Return the end of the last frame and that in the header, if it lies well behind.

    `longest_s` is the longest of the last intervals between frames. `path` is None for what can be
    read only once.
    """
    expected_s = header_end(container, stream)
    if expected_s is None:
        return None
    rate = frame_rate(stream)
    end_s = max(last.time_s + longest_s, end_of(last, rate))
    frame_s = max(longest_s, float(1 / rate))
    of_track = tagged_end(container, stream) is not None
    if expected_s - end_s <= _tolerance_s(container, stream, frame_s, of_track=of_track):
        return None
    if not of_track and path is not None and not stream.duration and _goes_on(path, end_s):
        return None
    return end_s, expected_s


def _tolerance_s(
    container: InputContainer, stream: VideoStream, frame_s: float, *, of_track: bool
) -> float:
    """Return how much earlier than in the header a whole video can end."""
    name, alone = container.format.name, len(container.streams) == 1
    if name == "avi" or of_track:  # AVI counts frames
        return _NONE * frame_s
    exact = alone if "matroska" in name else stream.duration and name in INDEXED
    return _FEW * frame_s if exact else max(_EARLY_S, _MANY * frame_s)


def _goes_on(path: Path, end_s: float) -> bool:
    """Whether another stream of the file, which the header's duration includes, is longer."""
    with open_media(path) as container, contextlib.suppress(av.error.FFmpegError):
        begin_s = float(start_time(container))
        container.seek(int((begin_s + end_s) * av.time_base))
        times = (float(p.pts * p.time_base) for p in container.demux() if p.pts is not None)
        return any(time_s - begin_s > end_s + _EARLY_S for time_s in times)
    return False
