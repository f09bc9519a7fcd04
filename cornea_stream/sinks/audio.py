"""The source's audio, copied packet by packet beside the pictures."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import av
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.container import OutputContainer
from av.packet import Packet as AnyPacket

from cornea_stream.source.media import known, open_media

Packet: TypeAlias = "AnyPacket[AudioStream]"
# The header of rtsp would be sent to a server; it holds what rtp holds.
_TRIED_AS = {"rtsp": "rtp"}


class AudioCopy:
    """Feeds the first audio stream of a file into an output container, without re-encoding.

    The file is opened a second time, so that the pictures' way through the pipeline stays free of
    packets; `copy_until` keeps both interleaved. Packets before `start_s` or from `end_s` on are
    left out, and `shift_s` is subtracted from the times of the rest.
    """

    def __init__(
        self,
        path: Path,
        output: OutputContainer,
        container: str,
        *,
        start_s: float = 0.0,
        end_s: float | None = None,
        shift_s: float = 0.0,
    ) -> None:
        """Add an audio stream to `output`, which ends up in a format named `container`.

        Raises ValueError when that cannot hold it.
        """
        self._input = open_media(path)
        self._output = output
        self._start_s, self._end_s, self._shift_s = start_s, end_s, shift_s
        try:
            template = known(self._input.streams.audio)[0]
            _try_header(template, _TRIED_AS.get(container, container))
            self._packets = self._wanted(template)
            self._next = next(self._packets, None)
            self._stream: AudioStream = output.add_stream_from_template(template)
            self._filter: BitStreamFilterContext | None = None
            if self._next and _is_wrapped(template) and output.format.name != "mpegts":
                self._filter = BitStreamFilterContext("aac_adtstoasc", template)
                self._stream.codec_context.extradata = _aac_header(bytes(self._next))
        except BaseException:
            self._input.close()
            raise

    def copy_until(self, time_s: float) -> None:
        """Copy the packets that begin before `time_s` seconds (of the source's time)."""
        while self._next is not None and _time_of(self._next) < time_s:
            packet = self._next
            self._shift(packet)
            for copy in self._filter.filter(packet) if self._filter else [packet]:
                copy.stream = self._stream
                self._output.mux(copy)
            self._next = next(self._packets, None)

    def close(self) -> None:
        """Close the second reader of the source; safe to call twice."""
        self._input.close()

    def _wanted(self, stream: AudioStream) -> Iterator[Packet]:
        if self._start_s > 0:
            self._input.seek(int(self._start_s * av.time_base))
        packets = self._input.demux(stream)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, av.error.FFmpegError):
                return  # a damaged end of the audio ends the audio, not the pictures
            if packet.dts is None or packet.pts is None or _time_of(packet) < self._start_s:
                continue
            if self._end_s is not None and _time_of(packet) >= self._end_s:
                return
            yield packet

    def _shift(self, packet: Packet) -> None:
        ticks = round(self._shift_s / packet.time_base) if self._shift_s else 0
        assert packet.pts is not None
        assert packet.dts is not None
        packet.pts -= ticks
        packet.dts -= ticks


def _is_wrapped(template: AudioStream) -> bool:
    """Whether it is AAC with ADTS headers, as in transport streams, which others take bare only."""
    return template.codec_context.name == "aac" and not template.codec_context.extradata


def _aac_header(packet: bytes) -> bytes:
    """Return the AudioSpecificConfig (ISO 14496-3) that a packet's ADTS header amounts to.

    The filter tells it with the first packet only, and what cannot be sought in has no header then.
    """
    profile, rate = packet[2] >> 6, packet[2] >> 2 & 0b1111
    channels = (packet[2] & 1) << 2 | packet[3] >> 6
    return (profile + 1 << 11 | rate << 7 | channels << 3).to_bytes(2, "big")


def _try_header(template: AudioStream, container: str) -> None:
    """Write a throw-away header: only the muxer itself knows what it can hold."""
    try:
        with av.open(io.BytesIO(), "w", format=container) as trial:
            trial.add_stream_from_template(template)
            trial.start_encoding()
    except av.error.FFmpegError as err:
        name = template.codec_context.name
        raise ValueError(f"{container} cannot hold its codec, {name}") from err


def _time_of(packet: Packet) -> float:
    assert packet.pts is not None
    return float(packet.pts * packet.time_base)
