"""Plans where to cut a long video into chunks.

Only packet headers are read. Cuts are at keyframes. Each chunk also gets the surrounding frames on
which its masks depend, and reading begins at a keyframe before those, so that frames that refer
back over the cut (open GOPs) are decoded correctly.
"""

from __future__ import annotations

import bisect
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import av
import numpy as np
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from cornea_stream.sources.coding_order import has_only_decoding_times
from cornea_stream.sources.read_options import ReadOptions
from cornea_stream.sources.start_time import start_ticks
from cornea_stream.sources.video_track import open_pictures

Times: TypeAlias = "NDArray[np.int64]"
# Frames on each side of a cut that both neighbors decode and compare.
_WITNESSES = 2


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk of a video: the frames with `start` <= pts < `end` (None: the end of the run).

    Times are ticks of the stream's time base. `index` is the number of its first frame in the run.
    `before` frames from `lead` on, and `after` frames up to `tail`, are read as context. `head` and
    `foot` are times around its two ends, where both neighbors must decode the same frames.
    """

    start: int
    end: int | None
    index: int
    lead: int
    before: int
    tail: int | None
    after: int
    head: tuple[int, ...]
    foot: tuple[int, ...]

    @property
    def name(self) -> str:
        """Name of the folder of its outputs."""
        return f"{self.start}-{'end' if self.end is None else self.end}"

    def holds(self, pts: int) -> bool:
        """Whether a frame belongs to the chunk and is not context."""
        return self.start <= pts and (self.end is None or pts < self.end)

    def with_next(self, following: Chunk) -> Chunk:
        """Return this chunk merged with the next one."""
        return Chunk(
            self.start, following.end, self.index, self.lead, self.before,
            following.tail, following.after, self.head, following.foot,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """The chunks of a run in order; `obstacle` says why a long video cannot be cut."""

    chunks: tuple[Chunk, ...]
    obstacle: str | None = None


def plan_chunks(
    path: Path,
    length_s: float,
    reading: ReadOptions | None = None,
    *,
    reach: int = 0,
) -> Plan:
    """Return chunks of at least `length_s` seconds that together cover the selected frames.

    A mask depends on `reach` selected frames before and after its own. Raises SourceError if the
    file cannot be read.
    """
    reading = reading or ReadOptions()
    every = reading.every
    container, stream = open_pictures(path, reading.max_megapixels, track=reading.video_track)
    with container:
        time_base = stream.time_base or Fraction(1, 90000)
        times, keys, obstacle = _read_headers(
            container.demux(stream),
            start_ticks(container, stream),
            by_decoding_time=has_only_decoding_times(container, stream),
        )
    if obstacle or not times:
        return Plan((), obstacle)
    ordered = np.sort(np.frombuffer(times, np.int64))
    if np.any(np.diff(ordered) == 0):
        return Plan((), "times repeat")
    first = 0 if reading.start_s is None else _position(ordered, reading.start_s, time_base)
    last = len(ordered) if reading.end_s is None else _position(ordered, reading.end_s, time_base)
    chosen = ordered[first:last]
    bounds = [*_choose_cuts(chosen, keys, length_s / float(time_base), every), len(chosen)]
    return Plan(
        tuple(
            _chunk(chosen, begin, end, before=(reach + 1) * every, after=reach * every)
            for begin, end in pairwise(bounds)
        )
    )


def _read_headers(
    packets: Iterator[Packet[VideoStream]], start: int, *, by_decoding_time: bool
) -> tuple[array[int], list[int], str | None]:
    """Return all packet times since `start`, those of keyframes, and what prevents cutting."""
    times: array[int] = array("q")
    keys: list[int] = []
    latest: int | None = None
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError):  # decoding also ends there
            return times, keys, None
        if packet.size == 0 or packet.is_discard:
            continue
        stamp = packet.dts if by_decoding_time else packet.pts
        if stamp is None:
            return times, keys, "packets have no times"
        if packet.is_corrupt:
            return times, keys, "packets are damaged"
        pts = stamp - start
        if packet.is_keyframe:
            if latest is not None and pts <= latest:
                return times, keys, "times run back"
            keys.append(pts)
        times.append(pts)
        latest = pts if latest is None else max(latest, pts)


def _position(ordered: Times, time_s: float, time_base: Fraction) -> int:
    """Return the number of frames before `time_s`, computed like `Frame.time_s`."""
    return bisect.bisect_left(ordered, time_s, key=lambda pts: float(int(pts) * time_base))


def _choose_cuts(times: Times, keys: Sequence[int], length: float, every: int) -> list[int]:
    """Return the first frame number of each chunk; each chunk has a selected frame."""
    cuts = [0]
    for key in keys:
        number = int(np.searchsorted(times, key))
        if number == len(times):
            break
        long = key - times[cuts[-1]] >= length
        if long and _next_taken(cuts[-1], every) < number:
            cuts.append(number)
    if len(cuts) > 1 and _next_taken(cuts[-1], every) >= len(times):
        cuts.pop()
    return cuts


def _next_taken(number: int, every: int) -> int:
    return -(-number // every) * every


def _chunk(times: Times, begin: int, end: int, *, before: int, after: int) -> Chunk:
    """Return the chunk of the frames numbered `begin` to `end` - 1, with its context."""
    lead = max(0, begin - max(before, _WITNESSES))
    tail = min(len(times), end + max(after, _WITNESSES))
    return Chunk(
        start=int(times[begin]),
        end=int(times[end]) if end < len(times) else None,
        index=begin,
        lead=int(times[lead]),
        before=begin - lead,
        tail=int(times[tail]) if tail < len(times) else None,
        after=tail - end,
        head=_around(times, begin),
        foot=_around(times, end),
    )


def _around(times: Times, cut: int) -> tuple[int, ...]:
    """Return the times of the frames on both sides of a cut; none at the ends of the run."""
    if cut in (0, len(times)):
        return ()
    return tuple(int(pts) for pts in times[max(0, cut - _WITNESSES) : cut + _WITNESSES])
