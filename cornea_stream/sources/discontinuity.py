"""Times of packets: counted from the source's start, and continued where recordings were joined."""

from __future__ import annotations

from abc import ABC, abstractmethod
from fractions import Fraction
from typing import Generic, TypeVar

from av.packet import Packet as AnyPacket
from av.stream import Stream
from av.video.stream import VideoStream

from cornea_stream.sources.rate import duration_ticks

_BACK_S, _REORDERED = 0.5, 17
"""Smaller steps back, in seconds or frames, stay within one recording."""
_GAP_S = 2.0
"""Longer steps ahead can be damaged times: those of the next packets decide."""
_TICKS_AHEAD = 2**31 - 1
"""How far times run ahead at most: no frame of an mp4 lasts longer, and FFmpeg aborts over it.

Its reader of MPEG-TS, whose clock begins anew after 26 hours, makes so much of times that run back.
"""
_APART_S = 10.0
"""A frame is decoded at most this long, or so many frames, before it is shown."""
_AUDIO_RATE = Fraction(100)
"""More packets of audio per second than this make no difference."""
_WITNESSES = 4
"""Packets that must agree before times that jump are believed."""

_Stream = TypeVar("_Stream", bound=Stream)


class Recordings(ABC, Generic[_Stream]):
    """Divides the packets of a stream into recordings, in the order of the file.

    `number` is that of the present recording. A packet whose time jumps is held until the next ones
    show whether another recording begins or only this time is damaged.
    """

    def __init__(self, stream: _Stream) -> None:
        self.number = 0
        self.wrong = 0
        self.time_base = stream.time_base or Fraction(1, 90000)
        if isinstance(stream, VideoStream):
            self.step = duration_ticks(stream)
        else:
            self.step = max(1, round(1 / (_AUDIO_RATE * self.time_base)))
        self._back = int(max(_BACK_S / self.time_base, _REORDERED * self.step))
        self._gap = int(max(_GAP_S / self.time_base, 2 * self.step))
        self._ahead = int(_TICKS_AHEAD)
        self._apart = int(max(_APART_S / self.time_base, _REORDERED * self.step))
        self._latest: int | None = None  # decoding time
        self._newest = -(2**62)  # time of display
        self._held: list[AnyPacket[_Stream]] = []

    def push(self, packet: AnyPacket[_Stream]) -> list[AnyPacket[_Stream]]:
        """Take the next packet; return those whose times are decided."""
        if not self._held and not self._is_odd(packet):
            return [self._taken(packet)]
        self._held.append(packet)
        return self._decide() if len(self._held) > _WITNESSES else []

    def flush(self) -> list[AnyPacket[_Stream]]:
        """Return the packets that were held at the end."""
        decided = []
        while self._held:
            decided += self._decide()
        return decided

    def joined(self, pts: int, latest: int) -> None:
        """Another recording begins with `pts`, after the frame at `latest`."""

    @abstractmethod
    def moved(self, packet: AnyPacket[_Stream]) -> None:
        """Take the next packet whose recording is known."""

    def _is_odd(self, packet: AnyPacket[_Stream]) -> bool:
        if packet.dts is None or self._latest is None:
            return False
        step = packet.dts - self._latest
        return step < -self._back or step > self._gap or self._is_apart(packet)

    def _is_apart(self, packet: AnyPacket[_Stream]) -> bool:
        """Whether only one of the two times of a packet can be right."""
        if packet.dts is None or packet.pts is None:
            return False
        return not -self._back <= packet.pts - packet.dts <= self._apart

    def _decide(self) -> list[AnyPacket[_Stream]]:
        """Decide about the first packet held; return it and those that follow from it."""
        first, *others = self._held
        self._held = []
        if self._is_odd(first):
            assert first.dts is not None
            assert self._latest is not None
            step = first.dts - self._latest
            times = [other.dts for other in others if other.dts is not None]
            agree = sum(abs(dts - first.dts) <= abs(dts - self._latest) for dts in times)
            if self._is_apart(first) or agree * 2 < len(times) or (not times and step < 0):
                self.wrong += 1
                first.pts = first.dts = None
            elif first.pts is not None and (step < 0 or step > self._ahead):
                self.joined(first.pts, self._newest)
                self.number += 1
                self._latest, self._newest = first.dts, first.pts
        decided = [self._taken(first)]
        for other in others:
            decided += self.push(other)
        return decided

    def _taken(self, packet: AnyPacket[_Stream]) -> AnyPacket[_Stream]:
        if packet.dts is not None:
            self._latest = packet.dts if self._latest is None else max(self._latest, packet.dts)
        if packet.pts is not None:
            self._newest = max(self._newest, packet.pts)
        self.moved(packet)
        return packet


class Joints(Recordings[VideoStream]):
    """Moves the packets of a video: time 0 is `start`, and a recording follows the previous one.

    `shifts` has one value per recording so far, in ticks of the video's time base.
    """

    def __init__(
        self, stream: VideoStream, start: int = 0, shifts: list[int] | None = None
    ) -> None:
        super().__init__(stream)
        self.shifts = shifts or [-start]

    def joined(self, pts: int, latest: int) -> None:
        """Let the recording that begins with `pts` follow the frame at `latest`."""
        self.shifts.append(self.shifts[-1] + latest + self.step - pts)

    def moved(self, packet: AnyPacket[VideoStream]) -> None:
        """Move the times of the packet."""
        move(packet, self.shifts[-1])

    def shift_s(self, recording: int) -> float:
        """Return the shift of a recording in seconds."""
        return float(self.shifts[recording] * self.time_base)


def move(packet: AnyPacket[_Stream], ticks: int) -> None:
    """Add `ticks` to the times of a packet."""
    if ticks:
        if packet.dts is not None:
            packet.dts += ticks
        if packet.pts is not None:
            packet.pts += ticks
