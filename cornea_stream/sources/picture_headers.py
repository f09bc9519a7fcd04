"""What the headers of H.264 (ITU-T H.264, 7.3) and HEVC (H.265, 7.3) say of the order of frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from cornea_stream.sources.nal_units import Bits

_H264_SLICE, _H264_IDR, _H264_SPS, _H264_PPS = 1, 5, 7, 8
_H264_WITH_CHROMA = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})
_HEVC_VIDEO, _HEVC_SPS, _HEVC_PPS = 32, 33, 34
_HEVC_RANDOM_ACCESS, _HEVC_IDR = range(16, 24), (19, 20)
_HEVC_LEADING = range(6, 10)
_444 = 3


@dataclass(frozen=True)
class Picture:
    """The header of a frame.

    `order` is its place in the order of display, modulo `orders`; None if that is the order of
    decoding, and for the bottom one of two fields. `restarts` says that counting begins anew.
    `number` counts the frames that others refer to, modulo `numbers`; None if they are not counted.
    A stream whose first frame does not stand alone lacks its beginning.
    """

    restarts: bool
    is_reference: bool
    order: int | None
    orders: int
    number: int | None = None
    numbers: int = 1
    stands_alone: bool = True


class Headers(ABC):
    """Reads units in the order of the stream; keeps the parameters that headers refer to."""

    @abstractmethod
    def read(self, unit: bytes) -> Picture | None:
        """Return the frame that begins with a unit, or None for other units.

        Raises EOFError or LookupError if its header cannot be read.
        """


@dataclass(frozen=True)
class _H264Sequence:
    separate: bool
    number_bits: int
    order_bits: int | None
    gaps: bool
    frames_only: bool


class H264Headers(Headers):
    """Of the two fields of a frame, the top one has the place in the order of display."""

    def __init__(self) -> None:
        self._sequences: dict[int, _H264Sequence] = {}
        self._pictures: dict[int, int] = {}

    def read(self, unit: bytes) -> Picture | None:
        """Return the frame that begins with a unit."""
        kind, reference = unit[0] & 31, bool(unit[0] & 0x60)
        bits = Bits(unit, 1)
        if kind == _H264_SPS:
            self._read_sequence(bits)
        elif kind == _H264_PPS:
            picture = bits.golomb()
            self._pictures[picture] = bits.golomb()
        elif kind in (_H264_SLICE, _H264_IDR) and bits.golomb() == 0:
            return self._read_slice(bits, kind == _H264_IDR, reference)
        return None

    def _read_sequence(self, bits: Bits) -> None:
        profile = bits.number(24) >> 16
        key, chroma, separate = bits.golomb(), 1, False
        if profile in _H264_WITH_CHROMA:
            chroma = bits.golomb()
            separate = chroma == _444 and bits.flag()
            bits.golomb(), bits.golomb(), bits.flag()
            if bits.flag():
                _skip_scaling(bits, 12 if chroma == _444 else 8)
        number_bits, order_type, order_bits = bits.golomb() + 4, bits.golomb(), None
        if order_type == 0:
            order_bits = bits.golomb() + 4
        elif order_type == 1:
            bits.flag(), bits.golomb(), bits.golomb()
            for _ in range(bits.golomb()):
                bits.golomb()
        bits.golomb()
        gaps = bits.flag()
        bits.golomb(), bits.golomb()
        self._sequences[key] = _H264Sequence(separate, number_bits, order_bits, gaps, bits.flag())

    def _read_slice(self, bits: Bits, is_idr: bool, is_reference: bool) -> Picture:
        bits.golomb()
        sequence = self._sequences[self._pictures[bits.golomb()]]
        bits.number(2 if sequence.separate else 0)
        number = bits.number(sequence.number_bits)
        is_bottom = not sequence.frames_only and bits.flag() and bits.flag()
        if is_idr:
            bits.golomb()
        order_bits = None if is_bottom else sequence.order_bits
        return Picture(
            restarts=is_idr,
            is_reference=is_reference,
            order=None if order_bits is None else bits.number(order_bits),
            orders=1 << (order_bits or 0),
            number=None if sequence.gaps else number,
            numbers=1 << sequence.number_bits,
        )


def _skip_scaling(bits: Bits, count: int) -> None:
    for index in range(count):
        if bits.flag():
            last = following = 8
            for _ in range(16 if index < 6 else 64):
                if following:
                    following = (last + bits.signed_golomb()) % 256
                last = following or last


@dataclass(frozen=True)
class _HevcSequence:
    separate: bool
    order_bits: int


@dataclass(frozen=True)
class _HevcParameters:
    sequence: int
    output_flag: bool
    extra_bits: int


class HevcHeaders(Headers):
    """Every frame has its place in the order of display."""

    def __init__(self) -> None:
        self._sequences: dict[int, _HevcSequence] = {}
        self._pictures: dict[int, _HevcParameters] = {}

    def read(self, unit: bytes) -> Picture | None:
        """Return the frame that begins with a unit."""
        kind, layer, bits = unit[0] >> 1 & 63, unit[0] & 1 or unit[1] >> 3, Bits(unit, 2)
        if layer:
            return None
        if kind == _HEVC_SPS:
            self._read_sequence(bits)
        elif kind == _HEVC_PPS:
            key, sequence = bits.golomb(), bits.golomb()
            bits.flag()
            self._pictures[key] = _HevcParameters(sequence, bits.flag(), bits.number(3))
        elif kind < _HEVC_VIDEO and bits.flag():
            return self._read_slice(bits, kind, is_base=unit[1] & 7 == 1)
        return None

    def _read_sequence(self, bits: Bits) -> None:
        layers = bits.number(7) & 7
        bits.flag()
        bits.number(96)
        present = [(bits.flag(), bits.flag()) for _ in range(layers)]
        bits.number(2 * (8 - layers) if layers else 0)
        for profile, level in present:
            bits.number(88 * profile + 8 * level)
        key = bits.golomb()
        separate = bits.golomb() == _444 and bits.flag()
        bits.golomb(), bits.golomb()
        if bits.flag():
            bits.golomb(), bits.golomb(), bits.golomb(), bits.golomb()
        bits.golomb(), bits.golomb()
        self._sequences[key] = _HevcSequence(separate, bits.golomb() + 4)

    def _read_slice(self, bits: Bits, kind: int, *, is_base: bool) -> Picture:
        bits.number(int(kind in _HEVC_RANDOM_ACCESS))
        parameters = self._pictures[bits.golomb()]
        sequence = self._sequences[parameters.sequence]
        bits.number(parameters.extra_bits)
        bits.golomb()
        bits.number(int(parameters.output_flag) + (2 if sequence.separate else 0))
        is_idr = kind in _HEVC_IDR
        # Even types below 16 are frames to which others of their layer do not refer.
        referred_to = kind >= 16 or (kind % 2 == 1 and kind not in _HEVC_LEADING)
        return Picture(
            restarts=is_idr,
            is_reference=is_base and referred_to,
            order=0 if is_idr else bits.number(sequence.order_bits),
            orders=1 << sequence.order_bits,
            stands_alone=kind in _HEVC_RANDOM_ACCESS,
        )
