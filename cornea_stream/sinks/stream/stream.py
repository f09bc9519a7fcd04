"""Streams the overlay or masks to a pipe or a network address with low latency."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction

import av
from av.container import OutputContainer

from cornea_stream.errors import OutputError, ReaderGoneError
from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.media.frame import MediaInfo
from cornea_stream.media.planes import turn_upright
from cornea_stream.sinks.base import SegmentationSink, SinkResult
from cornea_stream.sinks.encoder import EncoderSettings, check_source
from cornea_stream.sinks.mux import Muxer
from cornea_stream.sinks.stream.pipe import AbandonedError, Pipe
from cornea_stream.sinks.stream.relay import AT_ONCE, BETWEEN, Relay
from cornea_stream.sinks.stream.target import StreamTarget

PATIENCE_S = 10.0
"""Seconds after which a network receiver that accepts nothing counts as gone."""
_KEY_FRAME_EVERY_S = 2
# No indexes, which would grow in memory as long as the stream lasts.
_OPTIONS = {
    "matroska": {"cluster_time_limit": "0", "live": "1"},
    BETWEEN: {"write_index": "0"},
}
_NO_DELAY = {
    "libx264": {"tune": "zerolatency"},
    "libx265": {"tune": "zerolatency"},
    "h264_nvenc": {"tune": "ull", "zerolatency": "1", "delay": "0"},
    "hevc_nvenc": {"tune": "ull", "zerolatency": "1", "delay": "0"},
}


def for_stream(settings: EncoderSettings, rate: Fraction) -> EncoderSettings:
    """Return `settings` without encoder delay and with regular keyframes to join at."""
    options = settings.options | _NO_DELAY.get(settings.codec, {})
    if settings.codec != "ffv1":
        options["g"] = str(max(1, round(_KEY_FRAME_EVERY_S * rate)))
    return replace(settings, options=options, thread_type="SLICE")


class StreamSink(SegmentationSink):
    """Paints segmentations with `paint` and sends them to `target` immediately.

    Frames are rotated upright and deinterlaced by `paint`, because few stream formats and players
    support such tags.
    Network streams go through a `Relay`. See `Muxer` for `audio`, `offset_s` and `end_s`. With
    `may_break`, a failing receiver gives a warning, and the following frames are dropped.
    """

    def __init__(
        self,
        target: StreamTarget,
        info: MediaInfo,
        settings: EncoderSettings,
        paint: Callable[[Segmentation], av.VideoFrame],
        *,
        audio: bool = False,
        offset_s: float = 0.0,
        end_s: float | None = None,
        may_break: bool = False,
    ) -> None:
        self.target, self.name = target, str(target)
        self._codec = settings.codec
        upright_info = replace(
            info, rotation=0, mirrored=False, sample_aspect_ratio=info.upright_aspect,
            field_order=None,
        )  # fmt: skip
        check_source(settings, upright_info)
        self._paint, self._may_break = paint, may_break
        self._relay = (
            None
            if target.is_pipe
            else Relay(_with_datagram_size(target.address), target.container, PATIENCE_S)
        )
        self._pipe = Pipe(self._relay.fd if self._relay else target.fd)
        container = BETWEEN if self._relay else target.container
        self._container: OutputContainer = av.open(
            self._pipe, "w", format=container,
            container_options=AT_ONCE | _OPTIONS.get(container, {}),
        )  # fmt: skip
        self._muxer = Muxer(
            self._container, str(target), upright_info, for_stream(settings, info.rate),
            audio=target.container if audio else None, offset_s=offset_s, end_s=end_s,
        )  # fmt: skip
        self._is_open = True

    @property
    def warnings(self) -> list[str]:
        """What was changed or omitted."""
        return self._muxer.warnings

    @property
    def result(self) -> SinkResult:
        """The encoder, and where the stream went."""
        return SinkResult(encoder=self._codec, stream=self.name)

    def write(self, segmentation: Segmentation) -> None:
        """Paint, encode and send one frame. Raises OutputError."""
        if self._is_open:
            video = turn_upright(self._paint(segmentation), segmentation.frame.orientation)
            with self._errors():
                self._muxer.encode(video)

    def close(self) -> None:
        """Send the remaining frames and end the stream. Raises OutputError."""
        if self._is_open:
            with self._errors():
                self._muxer.flush()
                self._release()
                if self._relay and (cause := self._relay.failure()):
                    raise OSError(cause)

    def abort(self) -> None:
        """End the stream immediately."""
        if self._is_open:
            with contextlib.suppress(AbandonedError, OSError, av.error.FFmpegError):
                self._release()
            if self._relay:
                self._relay.kill()

    def hurry(self) -> None:
        """Stop waiting for a blocked receiver; can be called from any thread."""
        self._pipe.abandon()

    def _release(self) -> None:
        self._is_open = False
        self._muxer.release()
        try:
            self._container.close()
        finally:
            self._pipe.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn errors into an OutputError, or into a warning."""
        try:
            yield
        except (AbandonedError, av.error.FFmpegError, OSError, ValueError) as err:
            error = self._error(err)
            self.abort()
            if not self._may_break:
                raise error from err
            self.warnings.append(f"{error}. Only the stream stopped, the files are complete")

    def _error(self, err: Exception) -> OutputError:
        if isinstance(err, BrokenPipeError) and not self._relay:
            return ReaderGoneError(
                f"cannot send: {self.target}: the program that reads it has ended: let it read to "
                "the end"
            )
        return OutputError(f"cannot send: {self.target}: {self._cause(err)}")

    def _cause(self, err: Exception) -> str:
        if isinstance(err, AbandonedError):
            return "gave up, because the receiver accepted nothing: check it"
        if isinstance(err, BrokenPipeError) and self._relay:
            err = OSError(self._relay.failure())
        return f"{getattr(err, 'strerror', None) or err}: check the receiver and its address"


def _with_datagram_size(address: str) -> str:
    """Return a UDP address with datagrams of seven whole MPEG-TS packets."""
    if not address.startswith("udp:") or "pkt_size=" in address:
        return address
    return f"{address}{'&' if '?' in address else '?'}pkt_size={7 * 188}"
