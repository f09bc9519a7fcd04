"""Opens streams with FFmpeg, each kind with only its own protocols and formats.

A network source cannot reach files or other protocols, whatever its server responds.
"""

from __future__ import annotations

import os
import select
import sys
import threading
from dataclasses import dataclass, field
from typing import Any

import av
from av.container import InputContainer

from cornea_stream.errors import SourceError, UsageError
from cornea_stream.media.address import Address
from cornea_stream.sources.containers import limit_pictures, pixel_limit, self_contained_formats

OPEN_TIMEOUT_S, READ_TIMEOUT_S = 10.0, 5.0
"""Seconds to wait for a connection, and for data, before a source counts as gone."""


@dataclass(frozen=True, slots=True)
class _Kind:
    protocols: str
    formats: str
    options: dict[str, str] = field(default_factory=dict)


# No "nobuffer" flag: it discards the data read while probing, which includes the first keyframe;
# the next can be seconds away. The frame rate is not probed, because that takes a second.
_PROMPT = {"fpsprobesize": "0"}
_WEB = _Kind("http,https,httpproxy,tcp,tls", self_contained_formats())
_KINDS = {
    "rtsp": _Kind("rtp,rtsp,tcp,udp", "rtsp", {**_PROMPT, "rtsp_flags": "prefer_tcp"}),
    "rtmp": _Kind("rtmp,tcp", "flv", _PROMPT),
    "udp": _Kind("udp", "mpegts", {**_PROMPT, "overrun_nonfatal": "1"}),
    "http": _WEB,
    "https": _WEB,
    "camera": _Kind("none", "video4linux2,v4l2"),
    "stdin": _Kind("none", self_contained_formats()),
}


def open_address(
    address: Address, *, max_megapixels: float, stop: threading.Event | None = None
) -> InputContainer:
    """Open a stream for reading; frames above the size limit are not decoded.

    `stop` ends waiting for standard input. Raises SourceError with the cause and the address
    without its secrets, and UsageError if standard input is a terminal.
    """
    kind = _KINDS[address.scheme]
    limit = pixel_limit(max_megapixels)
    options = {"protocol_whitelist": kind.protocols, "format_whitelist": kind.formats}
    file: Any = _StandardInput(stop) if address.scheme == "stdin" else address.url
    try:
        container: InputContainer = av.open(
            file,
            "r",
            format="v4l2" if address.scheme == "camera" else None,
            options=options | kind.options | limit,
            metadata_errors="replace",
            timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S),
        )
    except (av.error.FFmpegError, OSError, ValueError) as err:
        if isinstance(file, _StandardInput) and file.is_empty:
            raise SourceError("standard input is empty: pipe a video in") from None
        # From None: the text of the error contains the address with its secrets.
        raise SourceError(f"cannot open {address}: {_told(err)}: {_advice(address)}") from None
    limit_pictures(container, limit)
    return container


def why_it_ended(err: av.error.FFmpegError) -> str:
    """Return why reading failed, without the address."""
    if isinstance(err, av.error.ExitError):
        return f"nothing arrived for {READ_TIMEOUT_S:g} s"
    return str(err.strerror or type(err).__name__)


def _told(err: BaseException) -> str:
    if isinstance(err, av.error.ExitError):
        return f"no answer within {OPEN_TIMEOUT_S:g} s"
    return str(getattr(err, "strerror", None) or type(err).__name__)


def _advice(address: Address) -> str:
    if address.scheme == "stdin":
        return (
            "pipe in a container that is read from front to end (matroska, mpegts), also of raw "
            "video: ffmpeg … -f matroska - | cornea-stream run -"
        )
    if address.scheme == "camera":
        return "check that it is plugged in and that no other program uses it"
    return "check the address, and that the source is sending (playlists are not followed)"


class _StandardInput:
    """Standard input as a file object for FFmpeg; `stop` ends waiting for data.

    Raises UsageError for a terminal, which would be waited for without end.
    """

    def __init__(self, stop: threading.Event | None) -> None:
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError("no video on standard input: pipe one in: … | cornea-stream run -")
        self._stop = stop or threading.Event()
        self._descriptor = sys.stdin.fileno()
        self.is_empty = True
        """Whether it has ended without a byte."""

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, or none at the end or after `stop`."""
        while not self._stop.is_set():
            # On Windows, waiting on pipes is impossible, so `stop` takes effect with the next data.
            if sys.platform == "win32" or select.select([self._descriptor], [], [], 0.2)[0]:
                data = os.read(self._descriptor, size)
                self.is_empty &= not data
                return data
        return b""
