"""Live sources: frames as they arrive, with reconnection."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from fractions import Fraction

import av

from cornea_stream.errors import SourceError, UsageError
from cornea_stream.media.address import Address
from cornea_stream.media.frame import Frame, MediaInfo
from cornea_stream.sources.base import Source
from cornea_stream.sources.damage import Damage
from cornea_stream.sources.losses import Losses
from cornea_stream.sources.network import why_it_ended
from cornea_stream.sources.rate import FALLBACK_RATE, duration_ticks
from cornea_stream.sources.read_options import ReadOptions
from cornea_stream.sources.timestamps import TIME_BASE, LiveClock
from cornea_stream.sources.video_track import (
    conversions,
    convertible,
    describe,
    first_field,
    open_pictures,
)

RECONNECT_S = 30.0
"""Seconds to keep reconnecting."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 8.0
_HIGHEST_RATE = Fraction(240)  # higher rates in a header are wrong


class LiveSource(Source):
    """The frames of a stream or camera from now on, with times that begin at 0.

    If the source goes away, it reconnects at growing intervals until `reconnect_s` seconds have
    passed without a frame; then iteration ends, with a warning. The first frame is decoded on
    opening, so that an unreachable source fails there. `stop` ends iteration, also while waiting.
    `on_note` gets a sentence when the source goes away and when it returns.
    Raises SourceError if nothing can be read, and UsageError for a start time.
    """

    is_live = True

    def __init__(
        self,
        address: Address,
        reading: ReadOptions | None = None,
        *,
        reconnect_s: float = RECONNECT_S,
        stop: threading.Event | None = None,
        on_note: Callable[[str], None] | None = None,
    ) -> None:
        self._reading = reading = reading or ReadOptions()
        if reading.start_s is not None:
            raise UsageError(f"a live source begins now: {address}: leave out start_s")
        self.address = address
        self._reconnect_s = reconnect_s
        self._stop = stop or threading.Event()
        self._note = on_note or (lambda _: None)
        self._clock = LiveClock()
        self._damage = Damage()
        self._outages = 0
        self._ending: str | None = None
        self._info: MediaInfo | None = None
        self._frames = self._numbered()
        first = next(self._frames, None)
        if first is None or self._info is None:
            raise SourceError(f"no frame arrived: {address}: check that the source is sending")
        self.info: MediaInfo = self._info
        self._frames = itertools.chain([first], self._frames)

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    @property
    def frame_estimate(self) -> None:
        """Nobody knows how many frames will come."""

    def close(self) -> None:
        """Close the connection; safe to call twice."""
        self._arriving.close()

    @property
    def damaged_s(self) -> list[tuple[float, float]]:
        """Begin and end in seconds of the stretches that could not be decoded so far."""
        return self._damage.stretches

    @property
    def warnings(self) -> list[str]:
        """Problems so far, one sentence each."""
        found = []
        if self._outages:
            found.append(f"the source went away and came back {_times(self._outages)}")
        if self._ending:
            found.append(self._ending)
        if self._damage.packets:
            found += self._damage.warnings
        if self._clock.jumps:
            found.append(
                f"the source's times jumped {_times(self._clock.jumps)}: the clock's were taken"
            )
        return found + conversions(self.info)

    def _numbered(self) -> Iterator[Frame]:
        self._arriving = self._arrivals()
        for index, video in enumerate(self._arriving):
            now_s = time.perf_counter()
            video.pts, video.time_base = self._clock.tick(video.time, now_s), TIME_BASE
            time_s = float(video.pts * TIME_BASE)
            if self._reading.end_s is not None and time_s >= self._reading.end_s:
                return
            self._damage.spread(time_s, key_frame=video.key_frame)
            if index % self._reading.every == 0:
                yield Frame(index, time_s, video, now_s, first_field(self._stream, video))

    def _arrivals(self) -> Generator[av.VideoFrame, None, None]:
        """Yield the frames of all connections; wait and reconnect in between."""
        last_s, lost, pause_s = 0.0, False, _FIRST_PAUSE_S
        while True:
            cause = "it ended"
            try:
                for video in self._connection():
                    if lost:
                        self._outages += 1
                        self._note(f"{self.address} is back")
                    last_s, lost, pause_s = time.monotonic(), False, _FIRST_PAUSE_S
                    yield video
            except _GoneError as err:
                cause = str(err)
            if self._stop.is_set():
                return
            if self._info is None:
                raise SourceError(f"{cause}: {self.address}: check that the source is sending")
            if self.address.scheme == "stdin":  # cannot be reopened
                return
            left_s = last_s + self._reconnect_s - time.monotonic()
            if left_s <= 0:
                self._ending = (
                    f"the source went away ({cause}) and did not come back within "
                    f"{self._reconnect_s:g} s: the recording ends there"
                )
                return
            if not lost:
                self._note(f"{self.address} went away ({cause}): trying for {left_s:.0f} s")
            lost = True
            if self._stop.wait(min(pause_s, left_s)):
                return
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _connection(self) -> Iterator[av.VideoFrame]:
        """Yield the frames of one connection. Raises _GoneError unless the source ends it."""
        self._clock.interrupt()
        try:
            container, self._stream = open_pictures(
                self.address,
                self._reading.max_megapixels,
                self._stop,
                track=self._reading.video_track,
            )
        except SourceError as err:
            if self._info is None:
                raise
            raise _GoneError(str(err)) from None
        with container:
            stream = self._stream
            stream.thread_type = "SLICE"  # frame threads delay every frame
            packets = container.demux(stream)
            losses, seen = Losses(duration_ticks(stream)), False
            while not self._stop.is_set():
                try:
                    packet = next(packets)
                except StopIteration:
                    return
                except av.error.FFmpegError as err:
                    raise _GoneError(why_it_ended(err)) from None
                losses.expect(packet.pts if packet.size else None)
                lost = packet.is_corrupt
                try:
                    pictures = packet.decode()
                except av.error.FFmpegError:
                    pictures, lost = [], True
                if lost and seen:  # before, it is the rest of a group without its keyframe
                    self._skip()
                for video in map(convertible, pictures):
                    if (losses.shown(video.pts) or video.is_corrupt) and seen:
                        self._skip()
                    if self._info is None:
                        kept = self._reading.keep_metadata
                        info = describe(self.address, container, stream, video, keep_metadata=kept)
                        self._info = _live(info)
                    seen = True
                    yield video

    def _skip(self) -> None:
        time_s = self._clock.last_s
        if self._reading.strict:
            raise SourceError(
                f"damaged near {time_s:.2f} s: {self.address}: run without strict=True to skip "
                "what cannot be decoded"
            )
        self._damage.note(time_s)


class _GoneError(Exception):
    """The connection ended, for the reason in the message."""


def _live(info: MediaInfo) -> MediaInfo:
    rate = info.rate if info.rate <= _HIGHEST_RATE else FALLBACK_RATE
    return replace(
        info, time_base=TIME_BASE, rate=rate, start_time_s=0.0, duration_s=None, frame_count=None
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
