"""Videos with an end: decoding in presentation order, increasing times, exact seeking."""

from __future__ import annotations

import copy
import itertools
import math
import threading
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from numbers import Real
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from cornea_stream.errors import SourceError, UsageError
from cornea_stream.media.address import Address
from cornea_stream.media.frame import Frame
from cornea_stream.sources.base import Source
from cornea_stream.sources.containers import open_media, reason
from cornea_stream.sources.damage import Damage
from cornea_stream.sources.discontinuity import Joints
from cornea_stream.sources.losses import Gaps, Losses
from cornea_stream.sources.read_options import ReadOptions
from cornea_stream.sources.start_time import start_ticks, start_time
from cornea_stream.sources.video_track import (
    INDEXED,
    convertible,
    describe,
    header_end,
    open_pictures,
)

# Seconds to step back, and further where a seek lands after the wanted time all the same: an index
# in decoding order, or none, can point past it, and MPEG program streams begin with guessed times.
_SEEK_MARGINS_S = (1.0, 10.0, 100.0)

_EARLY_S, _EARLY_FRAMES = 0.5, 5
"""An end that is earlier than the header says by more than this is damage."""
_JOINT_PACKETS = 8
"""Packets before a joint that can be flagged because of it."""


class VideoSource(Source):
    """The frames of a video file, one pass, in presentation order.

    Standard input and web addresses are read in the same way, from beginning to end; `stop` ends
    waiting for standard input.
    `info` describes the stream; `warnings` is complete once reading has ended.
    The first frame is decoded on opening, so that a file without frames fails there.
    Raises SourceError if the file cannot be opened or no frame can be decoded.
    """

    def __init__(
        self,
        path: Path | Address,
        reading: ReadOptions | None = None,
        *,
        stop: threading.Event | None = None,
    ) -> None:
        self.path = path
        self._stop = stop
        self._reading = reading = reading or ReadOptions()
        self._searcher: VideoSource | None = None
        self._closed = False
        self._delay: int | None = None
        self._reset()
        self._container, self._stream = self._open()
        self._once = isinstance(path, Address) and path.scheme == "stdin"
        try:
            self._frames = self._selected(reading.start_s)
            first = next(self._frames, None)
            if first is None:
                raise SourceError(self._no_frame_message())
        except BaseException:
            self.close()
            raise
        self._frames = itertools.chain([first], self._frames)
        self.info = describe(path, self._container, self._stream, first.video)

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._closed = True
        self._container.close()
        if self._searcher:
            self._searcher.close()

    @property
    def frame_estimate(self) -> int | None:
        """Approximate number of frames that `__iter__` yields, from the header, or None."""
        info = self.info
        if info.duration_s is None:
            return None
        reading, length_s = self._reading, info.duration_s
        end_s = length_s if reading.end_s is None else min(reading.end_s, length_s)
        whole = info.frame_count or length_s * float(info.rate)
        share = (end_s - (reading.start_s or 0.0)) / length_s
        return max(1, round(whole * share / reading.every))

    @property
    def damaged_s(self) -> list[tuple[float, float]]:
        """Begin and end in seconds of the stretches that could not be decoded so far."""
        return self._damage.stretches

    @property
    def warnings(self) -> list[str]:
        """Problems of the stream so far, one sentence each."""
        found = self._damage.warnings
        if self._joined:
            found.append(
                f"times jump {self._joined} times, as where recordings were joined: they are "
                "counted on there"
            )
        if self._retimed:
            found.append(f"{self._retimed} frames had missing or repeated times and were retimed")
        return found

    def frame_at(self, time_s: float) -> Frame:
        """Return the frame shown at `time_s`: the last whose time is <= `time_s`.

        It is decoded from the nearest keyframe before it, with a separate decoder, so iteration is
        not affected. A time before the first frame gives the first frame.
        Raises UsageError with the duration if the time is negative or after the last frame, and
        for standard input.
        """
        self._check_open()
        if not isinstance(time_s, Real) or math.isnan(time_s):
            raise UsageError(f"not a time: {time_s!r}: give seconds")
        if self._once:
            raise UsageError("standard input cannot be seeked: save it to a file")
        if self._searcher is None:
            searcher = copy.copy(self)
            searcher._reset()
            searcher._container, searcher._stream = searcher._open()
            self._searcher = searcher
        return self._searcher._find(time_s)

    def _find(self, time_s: float) -> Frame:
        if time_s < 0:
            raise UsageError(
                f"timestamp is negative: {time_s:g} s: give a time from 0 on, "
                f"{self.path} lasts {self._measure_end():.3f} s"
            )
        found, following = self._last_until(time_s, self._decoded_until(time_s))
        if found is None:
            if following is None:
                raise SourceError(self._no_frame_message())
            return following
        if following is None and time_s >= _end_of(found, self.info.rate):
            end = _end_of(found, self.info.rate)
            raise UsageError(
                f"timestamp is beyond the end: {time_s:g} s: {self.path} lasts {end:.3f} s: "
                "give an earlier one"
            )
        return found

    def _reset(self) -> None:
        """Reset the recorded problems."""
        self._damage = Damage()
        self._retimed = self._joined = 0

    def _measure_end(self) -> float:
        """Return the end of the last frame; the duration in headers is often wrong."""
        found, _ = self._last_until(math.inf, self._decoded(self.info.duration_s or 0.0))
        if found is None:
            found, _ = self._last_until(math.inf, self._decoded(0.0))
        return _end_of(found, self.info.rate) if found else 0.0

    def _no_frame_message(self) -> str:
        start_s, end_s = self._reading.start_s, self._reading.end_s
        if start_s:
            return f"no frame at or after {start_s:g} s: {self.path}: choose an earlier start"
        if end_s is not None and not self._damage:
            return f"no frame before {end_s:g} s: {self.path}: choose a later end"
        return (
            f"no frame can be decoded: {self.path} ({self._damage.packets} damaged packets): "
            "the recording is damaged, copy it again"
        )

    def _last_until(
        self, time_s: float, frames: Iterator[Frame]
    ) -> tuple[Frame | None, Frame | None]:
        """Return the last frame with time <= `time_s` and the next one, if they exist."""
        # Half a tick of tolerance: "0.0333333" means the frame at 1/30 s.
        limit = time_s + float(self._stream.time_base or 0) / 2
        found = None
        for frame in frames:
            if frame.time_s > limit:
                return found, frame
            found = frame
        return found, None

    def _selected(self, start_s: float | None) -> Iterator[Frame]:
        begin = (
            frame
            for frame in self._decoded_until(start_s or 0.0)
            if start_s is None or frame.time_s >= start_s
        )
        for index, frame in enumerate(self._watched(begin)):
            if self._reading.end_s is not None and frame.time_s >= self._reading.end_s:
                return
            if index % self._reading.every == 0:
                yield Frame(index, frame.time_s, frame.video)

    def _watched(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Pass frames on; note holes between them, and stop at damage if it is not tolerated."""
        gaps = Gaps()
        holes = self._container.format.name not in INDEXED
        for frame in frames:
            if holes and (begin_s := gaps.before(frame.time_s)) is not None:
                self._damage.note_hole(begin_s, frame.time_s)
            if self._damage:
                self._damage.spread(frame.time_s, key_frame=frame.video.key_frame)
                self._stop_if_strict()
            yield frame
        if (end_s := self._early_end(gaps)) is not None:
            self._damage.note_hole(*end_s)
        self._stop_if_strict()

    def _early_end(self, gaps: Gaps) -> tuple[float, float] | None:
        """Return the end of the last frame and that in the header, if it lies well behind."""
        expected_s = header_end(self._container, self._stream)
        if expected_s is None or gaps.last_s is None:
            return None
        end_s = gaps.last_s + gaps.longest_s
        if expected_s - end_s <= max(_EARLY_S, _EARLY_FRAMES * gaps.longest_s):
            return None
        return None if self._goes_on(end_s) else (end_s, expected_s)

    def _goes_on(self, end_s: float) -> bool:
        """Whether another stream of the file, which the header's duration includes, is longer."""
        if self._stream.duration or self._once or isinstance(self.path, Address):
            return False
        with open_media(self.path) as container:
            begin_s = float(start_time(container))
            container.seek(int((begin_s + end_s) * av.time_base))
            times = (float(p.pts * p.time_base) for p in container.demux() if p.pts is not None)
            return any(time_s - begin_s > end_s + _EARLY_S for time_s in times)

    def _decoded_until(self, time_s: float) -> Iterator[Frame]:
        """Decode from a keyframe that is shown at or before `time_s`, from the first frame for 0.

        From that keyframe on, frames and times equal those of a pass over the whole file.
        """
        for margin in () if self._once else _SEEK_MARGINS_S:
            if time_s - margin <= 0:
                break
            # Frames shown before the keyframe can refer to frames that were not decoded.
            frames = itertools.dropwhile(
                lambda frame: not frame.video.key_frame and frame.time_s <= time_s,
                self._decoded(time_s - margin),
            )
            first = next(frames, None)
            if first is not None and first.time_s <= time_s:
                if self._damage.last_s < first.time_s:
                    self._damage = Damage()  # a seek ends in the midst of packets
                return itertools.chain([first], frames)
            self._reset()
        return self._decoded(0.0)

    def _decoded(self, from_s: float) -> Iterator[Frame]:
        """Decode from the position of a seek to `from_s`, or from the first frame for 0."""
        self._rewind(from_s)
        time_base, step = self._joints.time_base, self._joints.step
        last: int | None = None
        for index, video in enumerate(self._pictures()):
            pts = video.pts
            if pts is None and last is None and from_s > 0:
                return  # the position after the seek is unknown
            if self._damage and pts is not None and last is not None and pts < last:
                continue  # a late frame from before a hole
            if pts is None or (last is not None and pts <= last):
                self._retimed += pts is not None or last is not None
                pts = 0 if last is None else last + (step if pts is None else 1)
            video.pts = last = pts
            video.time_base = time_base
            yield Frame(index, float(pts * time_base), video)

    def _open(self) -> tuple[InputContainer, VideoStream]:
        container, stream = open_pictures(
            self.path,
            self._reading.max_megapixels,
            self._stop,
            track=self._reading.video_track,
        )
        # Frame threads decode 1080p H.264 three times as fast as slice threads on two cores.
        stream.thread_type = "AUTO"
        return container, stream

    def _rewind(self, from_s: float) -> None:
        start, time_base = start_ticks(self._container, self._stream), self._stream.time_base
        self._joints = Joints(self._stream, start)
        if self._once:
            return  # the first packet is the position
        self._in_coding_order = self._container.format.name == "avi"
        if from_s > 0 and time_base is not None:
            if self._in_coding_order and self._delay is None:
                self._delay = self._measure_delay()
            try:
                self._seek(int(from_s / time_base) + start)
                return
            except (av.error.FFmpegError, OverflowError):
                pass  # no index or no times: decode from the beginning
        self._reopen()

    def _reopen(self) -> None:
        self._container.close()
        self._container, self._stream = self._open()

    def _seek(self, ticks: int) -> None:
        self._container.seek(ticks, stream=self._stream, backward=True)

    def _pictures(self) -> Iterator[av.VideoFrame]:
        """Decode to the end; note what is damaged or lost."""
        losses = Losses(self._joints.step)
        for packet in self._packets():
            if packet.size and not packet.is_discard:
                losses.expect(packet.dts if self._in_coding_order else packet.pts)
            for video in self._decode(packet):
                if self._in_coding_order:
                    self._date(video, losses)
                for late in losses.shown(video.pts):
                    self._skip(float(late * self._joints.time_base))
                if video.is_corrupt and video.pts is not None:
                    self._skip(float(video.pts * self._joints.time_base))
                yield video
        if losses.left():
            yield from self._tail(losses)
            for late in losses.left():
                self._skip(float(late * self._joints.time_base))

    def _date(self, video: av.VideoFrame, losses: Losses) -> None:
        """Give a frame of a file that has only decoding times the time at which it is shown.

        The decoder gives frames in the order in which they are shown, one per packet. Each has the
        decoding time of the packet with which it came, and the last ones have none.
        """
        if video.dts is None:
            video.pts = min(losses.left(), default=None)
            return
        if self._delay is None:
            self._delay = video.dts - losses.first
        video.pts = video.dts - self._delay

    def _measure_delay(self) -> int:
        """Return the number of ticks by which the decoder gives the first frame late."""
        reader = copy.copy(self)
        reader._reset()
        reader._container, reader._stream = reader._open()
        with reader._container:
            reader._joints = Joints(reader._stream, start_ticks(reader._container, reader._stream))
            next(reader._pictures(), None)
        return reader._delay or 0

    def _tail(self, losses: Losses) -> Iterator[av.VideoFrame]:
        """Decode the end again on one thread: after an error, several drop what they hold."""
        newest, shift = losses.newest, self._joints.shifts[-1]
        if self._once or newest is None:
            return
        self._reopen()
        self._joints = Joints(self._stream, -shift)
        self._stream.codec_context.thread_count = 1
        try:
            self._seek(newest - shift)
        except av.error.FFmpegError:
            return
        for packet in self._packets():
            for video in self._decode(packet):
                if self._in_coding_order:
                    self._date(video, losses)
                if video.pts is not None and video.pts > newest:
                    losses.shown(video.pts)
                    yield video

    def _decode(self, packet: Packet[VideoStream]) -> list[av.VideoFrame]:
        try:
            return [convertible(video) for video in packet.decode()]
        except av.error.FFmpegError:
            self._skip(self._time_s)
            return []

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        """Yield the packets with times from the start of the source on, then an empty one."""
        demuxed, joints = self._container.demux(self._stream), self._joints
        self._time_s, wrong = 0.0, 0
        count, suspects = 0, deque[tuple[float, int]]()
        end: Packet[VideoStream] | None = None
        while end is None:
            packet = self._read(demuxed)
            if not packet.size and packet.dts is not None:
                continue  # to the decoder, an empty packet means the end
            end = None if packet.size else packet
            for decided in joints.flush() if end is not None else joints.push(packet):
                if decided.pts is not None:
                    self._time_s = float(decided.pts * joints.time_base)
                if decided.is_corrupt:
                    suspects.append((self._time_s, count))
                yield decided
                count += 1
            if joints.number > self._joined:
                # There, the reader of MPEG-TS finds packets missing as well.
                self._joined = joints.number
                suspects.clear()
            while suspects and (end is not None or count - suspects[0][1] > _JOINT_PACKETS):
                self._skip(suspects.popleft()[0])
            if joints.wrong > wrong:
                wrong = joints.wrong
                self._skip(self._time_s)
        yield end

    def _read(self, demuxed: Iterator[Packet[VideoStream]]) -> Packet[VideoStream]:
        """Return the next packet, or an empty one at the end or where no more can be read."""
        self._check_open()
        try:
            return next(demuxed)
        except StopIteration:
            pass
        except av.error.InvalidDataError:
            self._skip(self._time_s)
        except av.error.FFmpegError as err:
            secret = isinstance(self.path, Address)  # FFmpeg's text contains the full address
            raise SourceError(
                f"reading failed: {self.path}: {reason(err)}: check the disk or the connection"
            ) from (None if secret else err)
        end: Packet[Any] = Packet()
        end.stream = self._stream
        return end

    def _check_open(self) -> None:
        if self._closed:  # FFmpeg would crash
            raise UsageError(f"source is closed: {self.path}: use open_source again")

    def _skip(self, time_s: float) -> None:
        self._damage.note(time_s)

    def _stop_if_strict(self) -> None:
        if self._reading.strict and self._damage:
            raise SourceError(
                f"damaged near {self._damage.stretches[0][0]:.2f} s: {self.path}: run without "
                "strict=True to skip what cannot be decoded"
            )


def _end_of(frame: Frame, rate: Fraction) -> float:
    time_base = frame.video.time_base
    if frame.video.duration and time_base is not None:
        return frame.time_s + float(frame.video.duration * time_base)
    return frame.time_s + float(1 / rate)
