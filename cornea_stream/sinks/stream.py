"""Streams: what is found goes to a pipe or an address while it is found, with low delay."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction

import av
from av.container import OutputContainer

from cornea_stream.errors import OutputError
from cornea_stream.frames import MediaInfo, Segmentation, upright
from cornea_stream.planes import view
from cornea_stream.sinks.encoder import EncoderSettings
from cornea_stream.sinks.mux import Muxer
from cornea_stream.sinks.patient import GivenUpError, PatientCaller
from cornea_stream.sinks.target import StreamTarget

PATIENCE_S = 10.0
"""How long a receiver on the network may take nothing before it is taken for gone."""
_KEY_FRAME_EVERY_S = 2
# Nothing waits in the muxer: not for more of a cluster, and not for the other stream.
_AT_ONCE = {"flush_packets": "1", "max_interleave_delta": "100000"}  # microseconds
_OPTIONS = {
    "matroska": {"cluster_time_limit": "0", "live": "1"},
    "mpegts": {},
    "flv": {"flvflags": "no_duration_filesize"},
    "rtsp": {"rtsp_transport": "tcp"},
}


def for_stream(settings: EncoderSettings, rate: Fraction) -> EncoderSettings:
    """Return `settings` without delay in the encoder, and with key frames to join in at."""
    options = dict(settings.options)
    if settings.codec in ("libx264", "libx265"):
        options["tune"] = "zerolatency"
    if settings.codec != "ffv1":
        options["g"] = str(max(1, round(_KEY_FRAME_EVERY_S * rate)))
    return replace(settings, options=options, thread_type="SLICE")


class StreamSink:
    """Sends pictures, painted from the segmentations by `paint`, to `target` as they come.

    Pictures are turned upright, since few containers and players of streams know of turning.
    The connection is made with the first frame. `audio`, `offset_s` and `end_s` as for `Muxer`.
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
    ) -> None:
        self.target = target
        self._paint = paint
        self._patience_s = float("inf") if target.is_pipe else PATIENCE_S
        self._caller = PatientCaller(f"stream to {target}")
        self._container = _open(target)
        self._muxer = Muxer(
            self._container, str(target), _turned_info(info), for_stream(settings, info.rate),
            audio=audio, offset_s=offset_s, end_s=end_s,
        )  # fmt: skip
        self._open = True

    @property
    def warnings(self) -> list[str]:
        """What was changed or left out."""
        return self._muxer.warnings

    def write(self, segmentation: Segmentation) -> None:
        """Paint, encode and send one frame. Raises OutputError."""
        video = turn_upright(self._paint(segmentation), segmentation.frame.rotation)
        self._call(lambda: self._muxer.encode(video))

    def close(self) -> None:
        """Send what is left and close the connection. Raises OutputError."""
        if self._open:
            self._call(self._muxer.flush)
            self._call(self._release)
            self._caller.end()

    def abort(self) -> None:
        """Close the connection, unless it is stuck."""
        if self._open:
            with contextlib.suppress(OutputError):
                self._call(self._release)
            self._caller.end()

    def hurry(self) -> None:
        """Wait for a receiver that takes nothing no longer; for any thread."""
        self._caller.hurry()

    def _release(self) -> None:
        self._open = False
        self._muxer.release()
        try:
            self._container.close()
        finally:
            if self.target.is_pipe:
                os.close(self.target.fd)

    def _call(self, work: Callable[[], None]) -> None:
        with _stream_errors(self.target):
            self._caller.call(work, self._patience_s)


def turn_upright(video: av.VideoFrame, rotation: int) -> av.VideoFrame:
    """Return an 8-bit planar frame turned `rotation` degrees counter-clockwise."""
    if rotation == 0:
        return video
    turned = [upright(view(plane), rotation) for plane in video.planes]
    height, width = turned[0].shape
    result = av.VideoFrame(width, height, video.format.name)
    for plane, pixels in zip(result.planes, turned, strict=True):
        view(plane)[:] = pixels
    result.pts, result.time_base = video.pts, video.time_base
    result.colorspace, result.color_range = video.colorspace, video.color_range
    return result


def _turned_info(info: MediaInfo) -> MediaInfo:
    aspect = info.sample_aspect_ratio
    if aspect and info.rotation % 180:
        aspect = 1 / aspect
    return replace(info, rotation=0, sample_aspect_ratio=aspect)


class _Pipe:
    """What PyAV writes to: every byte to a descriptor, at once and without seeking."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, data: bytes) -> int:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]
        return len(data)


def _open(target: StreamTarget) -> OutputContainer:
    options = _AT_ONCE | _OPTIONS[target.container]
    place = _Pipe(target.fd) if target.is_pipe else target.address
    return av.open(place, "w", format=target.container, container_options=options)


@contextmanager
def _stream_errors(target: StreamTarget) -> Iterator[None]:
    """Turn what goes wrong on the way to `target` into an OutputError, without its secrets.

    FFmpeg's own errors quote the whole address, so they are not kept as the cause.
    """
    try:
        yield
    except GivenUpError:
        raise OutputError(
            f"cannot send: {target}: nothing went through for {PATIENCE_S:g} s: "
            "check the receiver and the network"
        ) from None
    except BrokenPipeError:
        if target.is_pipe:
            raise OutputError(
                "cannot send: standard output: the program that reads it has ended: "
                "let it read to the end"
            ) from None
        raise OutputError(f"cannot send: {target}: the receiver has gone") from None
    except (av.error.FFmpegError, OSError, ValueError) as err:
        cause = getattr(err, "strerror", None) or err
        raise OutputError(
            f"cannot send: {target}: {cause}: check the address, and that a receiver is there"
        ) from None
