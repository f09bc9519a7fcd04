"""Settings of the mp4 muxer, and what it stores about a source."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from cornea_stream.media.frame import MediaInfo
from cornea_stream.media.timecode import timecode_at

_FINEST = 2**31 - 1
_TRACK = 10_000
"""The mp4 muxer doubles the time scale of a video track until it reaches this."""
_USUAL = frozenset({"title", "creation_time", "timecode"})


def movie_timescale(time_base: Fraction) -> dict[str, str]:
    """Return the option that makes the file's time scale that of its video track.

    The beginning of a track is stored in ticks of the file, by default milliseconds, which would
    round it.
    """
    scale = time_base.denominator
    while scale < _TRACK:
        scale *= 2
    return {"movie_timescale": str(scale)} if scale <= _FINEST else {}


def metadata_of(info: MediaInfo, offset_s: float) -> dict[str, str]:
    """Return the metadata of a video that begins at `offset_s` of the source."""
    found = dict(info.metadata)
    if timecode := found.pop("timecode", None):
        begin = timecode_at(timecode, info.rate, offset_s)
        return found | ({"timecode": begin} if begin else {})
    return found


def index_first(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the option that puts the index at the beginning and keeps all `metadata`."""
    keys = "" if _USUAL.issuperset(metadata) else "+use_metadata_tags"
    return {"movflags": f"+faststart{keys}"}
