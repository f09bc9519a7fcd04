"""Concatenates videos by copying packets, without encoding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import av
import numpy as np
from av.packet import Packet as AnyPacket
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream
from numpy.typing import NDArray

from cornea_stream.media import orientation
from cornea_stream.media.frame import MediaInfo
from cornea_stream.sinks.encoder import EncoderSettings
from cornea_stream.sinks.keyframes import sparse_keyframes
from cornea_stream.sinks.mp4 import index_first, metadata_of, movie_timescale
from cornea_stream.sinks.mux import Muxer
from cornea_stream.storage import complete, output_errors, part_path

Packet: TypeAlias = "AnyPacket[VideoStream]"
Ticks: TypeAlias = "NDArray[np.int64]"
Stamps: TypeAlias = "tuple[Ticks, Ticks]"


@dataclass(frozen=True, slots=True)
class Piece:
    """A video file whose time 0 is `start`, in ticks of the source time base."""

    path: Path
    start: int


def concatenate(
    pieces: Sequence[Piece],
    path: Path,
    info: MediaInfo,
    *,
    audio: bool = False,
    offset_s: float = 0.0,
    end_s: float | None = None,
) -> list[str]:
    """Write one video from consecutive pieces; return warnings.

    Times, tags and audio are the same as from a `VideoFile` with these arguments for the frames
    of all pieces. `path` appears when it is complete. Raises OutputError.
    """
    options, metadata = {}, {}
    if path.suffix == ".mp4":
        metadata = metadata_of(info, offset_s)
        options = index_first(metadata) | movie_timescale(info.time_base)
    with output_errors(path):
        told = [_stamps(piece, info.time_base) for piece in pieces]
        shown = chain.from_iterable(times for times, _ in told)
        stamps = zip(shown, _decode_times(told), strict=True)
        with av.open(f"file:{part_path(path)}", "w", options=options) as container:
            muxer = _CopyMuxer(
                container, path.name, info, EncoderSettings(),
                audio=container.format.name if audio else None, offset_s=offset_s, end_s=end_s,
            )  # fmt: skip
            container.metadata.update(metadata)
            try:
                for piece in pieces:
                    with _packets(piece) as packets:
                        for packet in packets:
                            muxer.copy(packet, *map(int, next(stamps)))
                muxer.flush()
            finally:
                muxer.release()
    complete(path)
    return muxer.warnings


class _CopyMuxer(Muxer):
    """A muxer for encoded packets instead of frames."""

    def copy(self, packet: Packet, pts: int, dts: int) -> None:
        """Add a packet at `pts` of the source; the first packet added must be shown first."""
        time_base = self.info.time_base
        stream = self._stream or self._start_copy(packet.stream, pts)
        if self._audio:
            self._audio.copy_until(float(pts * time_base))
        packet.duration = round(1 / (self.info.rate * time_base))  # as in `make_ordinary`
        packet.pts, packet.dts = pts - self._offset_ticks, dts - self._offset_ticks
        packet.time_base, packet.stream = time_base, stream
        self._mux([packet])

    def flush(self) -> None:
        """Add the rest of the audio."""
        if self._audio:
            self._audio.flush()

    def _start_copy(self, template: VideoStream, first: int) -> VideoStream:
        self._shift_to_zero(first)
        # Opaque: otherwise PyAV requires an encoder with the decoder's name; libdav1d has none.
        stream = self._container.add_stream_from_template(template, opaque=True)
        context = stream.codec_context
        stream.time_base = self.info.time_base
        if self._container.format.name == "mp4":
            context.framerate = self.info.rate  # in which timecodes count
        if template.container.format.name == "nut":  # which keeps neither tags nor rotation
            context.color_range = ColorRange.JPEG
            context.color_primaries = self.info.color_primaries
            context.color_trc = self.info.color_trc
            orientation.write(stream, self.info.orientation)
        else:
            context.codec_tag = template.codec_context.codec_tag
        self._stream = stream
        self._keyframes = sparse_keyframes(template.codec_context.name, self._container.format.name)
        if self._audio_format and self.info.audio_codec:
            self._start_audio(self.info.path, self._audio_format)
        return stream


@contextmanager
def _packets(piece: Piece) -> Iterator[Iterator[Packet]]:
    with av.open(
        f"file:{piece.path}", options={"protocol_whitelist": "file"}, metadata_errors="replace"
    ) as container:
        yield (packet for packet in container.demux(container.streams.video[0]) if packet.size)


def _stamps(piece: Piece, time_base: Fraction) -> Stamps:
    """Return pts and dts of the packets of a piece, in ticks of the source."""
    with _packets(piece) as packets:
        stamps = [
            (packet.pts * packet.time_base, packet.dts * packet.time_base)
            for packet in packets
            if packet.pts is not None and packet.dts is not None
        ]
    shown, decoded = (
        np.array([piece.start + round(stamp / time_base) for stamp in column], np.int64)
        for column in zip(*stamps, strict=True)
    )
    return shown, decoded


def _decode_times(pieces: Sequence[Stamps]) -> Ticks:
    """Return the decoding times that one encoder would have given to all pieces together.

    The times of the pieces can overlap, because the encoder restarts for each. A packet gets the
    presentation time of the frame that lies back by the encoder's delay. Before the first frame,
    the intervals of the first frames are continued, as x264 does.
    """
    shown: Ticks = np.concatenate([np.sort(times) for times, _ in pieces])
    ahead = min(max(_run_ahead(*stamps) for stamps in pieces), len(shown) - 1)
    early = shown[:ahead] - (shown[ahead] - shown[0])
    return np.concatenate([early, shown[: len(shown) - ahead]])


def _run_ahead(shown: Ticks, decoded: Ticks) -> int:
    """Return the number of frames by which decoding runs ahead, in order and in time."""
    in_order = np.arange(len(shown)) - np.searchsorted(np.sort(shown), shown)
    in_time = np.count_nonzero(decoded < np.min(shown))
    return max(int(np.max(in_order)), int(in_time))
