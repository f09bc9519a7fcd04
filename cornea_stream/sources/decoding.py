"""Decodes a video stream: packets with continuous times in, frames out, damage noted."""

from __future__ import annotations

import copy
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from cornea_stream.errors import SourceError, UsageError
from cornea_stream.media.address import Address
from cornea_stream.sources.coding_order import has_only_decoding_times, shows_decoding_times
from cornea_stream.sources.containers import pixel_limit, reason
from cornea_stream.sources.damage import Damage
from cornea_stream.sources.discontinuity import Joints
from cornea_stream.sources.file_structure import structure_of
from cornea_stream.sources.losses import Losses
from cornea_stream.sources.packet_checks import packet_check
from cornea_stream.sources.read_options import ReadOptions
from cornea_stream.sources.start_time import start_ticks
from cornea_stream.sources.structure import Structure
from cornea_stream.sources.video_track import convertible, open_pictures

_JOINT_PACKETS = 8
"""Packets before a joint that can be flagged because of it."""
_OVERFLOWING = ("msmpeg4v1", "msmpeg4v2", "msmpeg4", "wmv1", "wmv2")
_DETECT = {"mjpeg": "explode", **dict.fromkeys(_OVERFLOWING, "bitstream")}
"""What decoders are to take for errors that they would only log, without a flag of the frame."""


class VideoDecoding:
    """Decodes one video stream of a file or address, from its beginning or from a seek on.

    Times of frames are ticks from the start of the source. Raises SourceError.
    """

    def __init__(
        self, path: Path | Address, reading: ReadOptions, stop: threading.Event | None
    ) -> None:
        self.path = path
        self._reading, self._stop = reading, stop
        self._once = isinstance(path, Address) and path.scheme == "stdin"
        self._closed = False
        self._delay: int | None = None
        self._reset()
        self._container, self._stream = self._open()
        self._sought = False
        self._in_coding_order = has_only_decoding_times(self._container, self._stream)
        self._misdated = (
            isinstance(path, Path)
            and not self._in_coding_order
            and self._stream.codec_context.has_b_frames
            and shows_decoding_times(self._container, self._stream)
        )
        self._in_coding_order |= self._misdated

    def _reset(self) -> None:
        """Reset the recorded problems."""
        self._damage = Damage()
        self._retimed = self._joined = 0
        self._dated = False

    def _open(self) -> tuple[InputContainer, VideoStream]:
        container, stream = open_pictures(
            self.path,
            self._reading.max_megapixels,
            self._stop,
            track=self._reading.video_track,
        )
        if detect := _DETECT.get(stream.codec_context.name):
            options = stream.codec_context.options
            stream.codec_context.options = {**options, "err_detect": detect}
        # Frame threads decode 1080p H.264 three times as fast as slice threads on two cores.
        stream.thread_type = "AUTO"
        return container, stream

    def _rewind(self, from_s: float) -> None:
        start, time_base = start_ticks(self._container, self._stream), self._stream.time_base
        self._joints = Joints(self._stream, start)
        if self._once:
            return  # the first packet is the position
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
        self._sought = False

    def _seek(self, ticks: int) -> None:
        self._sought = True
        self._container.seek(ticks, stream=self._stream, backward=True)

    def _pictures(self) -> Iterator[av.VideoFrame]:
        """Decode to the end; note what is damaged or lost."""
        losses = Losses(self._joints.step, exact=not self._in_coding_order)
        check = packet_check(self._container, self._stream)
        for packet in self._packets():
            if self._misdated:
                packet.dts = packet.pts
            if packet.size and not packet.is_discard:
                losses.expect(packet.dts if self._in_coding_order else packet.pts)
            if check:
                self._note(
                    check.failures(bytes(packet)) if packet.size else check.failures_at_end()
                )
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
        reader._sought = False
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
        for packet in self._followed(Structure(None, from_beginning=False)):
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
        return self._decode_tolerantly(packet)

    def _decode_tolerantly(self, packet: Packet[VideoStream]) -> list[av.VideoFrame]:
        """Decode a packet that stands for itself with a decoder that shows what it can."""
        name = self._stream.codec_context.name
        if _DETECT.get(name) != "explode":
            return []
        try:
            decoder = cast(av.VideoCodecContext, av.CodecContext.create(name, "r"))
            decoder.options = pixel_limit(self._reading.max_megapixels)
            return [convertible(video) for video in decoder.decode(packet)]
        except av.error.FFmpegError:
            return []

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        """Yield the packets with times from the start of the source on, then an empty one."""
        path = self.path if isinstance(self.path, Path) else None
        with structure_of(path, from_beginning=not self._sought) as structure:
            yield from self._followed(structure)

    def _followed(self, structure: Structure) -> Iterator[Packet[VideoStream]]:
        demuxed, joints = self._container.demux(self._stream), self._joints
        self._time_s, wrong = 0.0, 0
        count, suspects = 0, deque[tuple[float, int]]()
        end: Packet[VideoStream] | None = None
        while end is None:
            packet = self._read(demuxed)
            if structure.broken_before(packet.pos):
                self._damage.note_break(self._time_s)
            if not packet.size and packet.dts is not None:
                continue  # to the decoder, an empty packet means the end
            end = None if packet.size else packet
            for decided in joints.flush() if end is not None else joints.push(packet):
                if decided.pts is not None:
                    self._time_s = float(decided.pts * joints.time_base)
                elif decided.dts is None and not self._dated:
                    self._time_s = float(count * joints.step * joints.time_base)
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
        if structure.broken_at_end():
            self._damage.note_break(self._time_s)
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

    def _note(self, packets_ago: list[int]) -> None:
        step_s = float(self._joints.step * self._joints.time_base)
        for count in packets_ago:
            self._skip(max(0.0, self._time_s - count * step_s))

    def _skip(self, time_s: float) -> None:
        self._damage.note(time_s)
