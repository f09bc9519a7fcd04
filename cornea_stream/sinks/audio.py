"""Adds the audio of the source to an output: copied, or else encoded."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import av
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer, OutputContainer
from av.packet import Packet as AnyPacket
from av.video.stream import VideoStream

from cornea_stream.errors import SourceError
from cornea_stream.sinks.aac import AacEncoder
from cornea_stream.sources.containers import open_media
from cornea_stream.sources.discontinuity import Joints, Recordings, move
from cornea_stream.sources.start_time import start_ticks, start_time
from cornea_stream.sources.video_track import main_audio, pick_stream

Packet: TypeAlias = "AnyPacket[AudioStream]"
# An rtsp header would contact the server; rtp supports the same codecs.
_TRIED_AS = {"rtsp": "rtp"}
_MOST_HELD = 1000
"""Maximum of packets waiting for a frame of their recording, about 20 s; then audio ends."""


class AudioCopy:
    """Feeds the main audio stream of a file into an output container.

    Its packets are copied, or encoded to AAC if the container does not support the codec;
    `encoded` then names the codec.

    The file is opened a second time, so that audio packets do not pass through the pipeline;
    `copy_until` interleaves them with the video. Packets before `start_s` or from `end_s` on are
    omitted, and `shift_s` is subtracted from the times of the others. If the times of the video
    jump back, as in concatenated recordings, audio times move with them.
    """

    def __init__(
        self,
        path: Path,
        output: OutputContainer,
        container: str,
        video_track: int = 0,
        *,
        start_s: float = 0.0,
        end_s: float | None = None,
        shift_s: float = 0.0,
    ) -> None:
        """Add an audio stream to `output`, whose final format is `container`.

        Raises ValueError if the format supports neither the codec nor AAC.
        """
        self._input = open_media(path)
        self._output = output
        self._pictures = _pictures_of(self._input, video_track)
        self._start_s, self._end_s, self._shift_s = start_s, end_s, shift_s
        try:
            template = main_audio(self._input)
            assert template is not None
            format_name = _TRIED_AS.get(container, container)
            self._packets = self._wanted(template)
            self._next = next(self._packets, None)
            self._filter: BitStreamFilterContext | None = None
            self._encoder: AacEncoder | None = None
            self.encoded: str | None = None
            if not _supports(format_name, template):
                self.encoded = template.codec_context.name
                self._encoder = AacEncoder(template, output)
                self._stream = self._encoder.stream
                return
            self._stream = output.add_stream_from_template(template)
            if self._next and _is_wrapped(template) and output.format.name != "mpegts":
                self._filter = BitStreamFilterContext("aac_adtstoasc", template)
                self._stream.codec_context.extradata = _aac_header(bytes(self._next))
        except BaseException:
            self._input.close()
            raise

    def copy_until(self, time_s: float) -> None:
        """Copy the packets that begin before `time_s`, in seconds of source time."""
        while self._next is not None and _time_of(self._next) < time_s:
            packet = self._next
            move(packet, -round(self._shift_s / packet.time_base))
            for copy in self._ready(packet):
                copy.stream = self._stream
                self._output.mux(copy)
            self._next = next(self._packets, None)

    def flush(self) -> None:
        """Add the rest of the audio."""
        self.copy_until(float("inf"))
        if self._encoder:
            self._output.mux(self._encoder.encode(None))

    def _ready(self, packet: Packet) -> list[Packet]:
        """Return a packet encoded or without ADTS header; nothing if it is damaged."""
        if self._encoder:
            return self._encoder.encode(packet)
        try:
            return self._filter.filter(packet) if self._filter else [packet]
        except av.error.InvalidDataError:
            return []

    def close(self) -> None:
        """Close the second reader of the source; safe to call twice."""
        self._input.close()

    def _wanted(self, stream: AudioStream) -> Iterator[Packet]:
        if self._start_s > 0:
            self._input.seek(int((self._start_s + start_time(self._input)) * av.time_base))
        last: int | None = None
        for packet in self._counted_on(stream):
            if _time_of(packet) < self._start_s:
                continue
            if self._end_s is not None and _time_of(packet) >= self._end_s:
                return
            # Where two recordings meet, the audio of the first can be longer than its video.
            if last is None or _dts(packet) > last:
                last = _dts(packet)
                yield packet

    def _counted_on(self, stream: AudioStream) -> Iterator[Packet]:
        """Yield the packets with times, moved like the video of the same recording."""
        pictures = self._pictures
        joints = Joints(pictures, start_ticks(self._input, pictures)) if pictures else None
        sound = _Sound(stream)
        packets: Iterator[Any] = self._input.demux([s for s in (stream, pictures) if s])
        ended = False
        while not ended and len(sound.ready) < _MOST_HELD:
            try:
                packet = next(packets)
            except (StopIteration, av.error.FFmpegError):
                ended = True  # a damaged end of the audio ends the audio, not the video
                if joints:
                    joints.flush()
                sound.flush()
            else:
                if not packet.size or packet.dts is None:
                    continue
                if packet.stream is pictures:
                    assert joints is not None
                    joints.push(packet)
                else:
                    sound.push(packet)
            # A packet waits until a frame of its recording has arrived.
            while sound.ready and (joints is None or sound.ready[0][1] < len(joints.shifts)):
                waiting, recording = sound.ready.popleft()
                if waiting.pts is None or waiting.dts is None:
                    continue
                if joints:
                    shift = joints.shifts[recording] * joints.time_base / waiting.time_base
                    move(waiting, round(shift))
                else:
                    move(waiting, -start_ticks(self._input, stream))
                yield waiting


class _Sound(Recordings[AudioStream]):
    """The packets of the audio with the numbers of their recordings."""

    def __init__(self, stream: AudioStream) -> None:
        super().__init__(stream)
        self.ready: deque[tuple[Packet, int]] = deque()

    def moved(self, packet: Packet) -> None:
        self.ready.append((packet, self.number))


def _pictures_of(container: InputContainer, track: int) -> VideoStream | None:
    """Return the video stream that determines the audio times."""
    try:
        return pick_stream(container, Path(), track)
    except SourceError:
        return None


def _dts(packet: Packet) -> int:
    assert packet.dts is not None
    return packet.dts


def _is_wrapped(template: AudioStream) -> bool:
    """Whether it is AAC with ADTS headers, which only transport streams use."""
    return template.codec_context.name == "aac" and not template.codec_context.extradata


def _aac_header(packet: bytes) -> bytes:
    """Return the AudioSpecificConfig (ISO 14496-3) that matches a packet's ADTS header.

    The filter provides it only with the first packet, too late for containers without seeking.
    """
    profile, rate = packet[2] >> 6, packet[2] >> 2 & 0b1111
    channels = (packet[2] & 1) << 2 | packet[3] >> 6
    return (profile + 1 << 11 | rate << 7 | channels << 3).to_bytes(2, "big")


def _supports(container: str, template: AudioStream) -> bool:
    """Write a header to memory: only the muxer knows which codecs it supports."""
    try:
        with av.open(io.BytesIO(), "w", format=container) as trial:
            trial.add_stream_from_template(template)
            trial.start_encoding()
    except (ValueError, av.error.FFmpegError):
        return False
    return True


def _time_of(packet: Packet) -> float:
    assert packet.pts is not None
    return float(packet.pts * packet.time_base)
