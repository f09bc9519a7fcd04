"""Encodes audio that the container of the output does not support."""

from __future__ import annotations

from fractions import Fraction

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_LAYOUTS = ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "7.1")


class AacEncoder:
    """Decodes the packets of `template` and encodes them into a new stream of `output`."""

    def __init__(self, template: AudioStream, output: OutputContainer) -> None:
        rate = template.rate if template.rate in _RATES else 48000
        layout = template.layout.name if template.layout.name in _LAYOUTS else "stereo"
        self.stream: AudioStream = output.add_stream("aac", rate=rate, layout=layout)
        self._template = template
        self._end_s: Fraction | None = None

    def encode(self, packet: Packet[AudioStream] | None) -> list[Packet[AudioStream]]:
        """Return what is encoded after this packet, or None at the end; damaged ones are omitted.

        Times are those of the packets.
        """
        try:
            frames = self._template.decode(packet)
        except av.error.FFmpegError:
            frames = []
        encoded = []
        for frame in frames:
            time_base = frame.time_base or Fraction(1, frame.sample_rate)
            if frame.pts is None:
                if self._end_s is None:
                    continue
                frame.pts = round(self._end_s / time_base)
            self._end_s = frame.pts * time_base + Fraction(frame.samples, frame.sample_rate)
            encoded += self.stream.encode(frame)
        return encoded + self.stream.encode(None) if packet is None else encoded
