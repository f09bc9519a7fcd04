"""Targets of streams: standard output or a network address."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from cornea_stream.errors import UsageError
from cornea_stream.media.address import has_torn_password, torn_password

PIPE_CONTAINERS = ("matroska", "mpegts")
"""Containers for standard output."""
_CONTAINERS = {"rtsp": "rtsp", "rtmp": "flv", "udp": "mpegts"}


@dataclass(frozen=True, slots=True)
class StreamTarget:
    """The target of a stream; `str` gives it without user, password and stream key.

    `container` is FFmpeg's format name. Standard output has the address `-` and is written to the
    file descriptor `fd`, by default that of this process.
    """

    address: str = field(repr=False)
    container: str
    fd: int = 1

    @property
    def is_pipe(self) -> bool:
        """Whether this is standard output, whose reader sets the pace."""
        return self.address == "-"

    def __str__(self) -> str:
        if self.is_pipe:
            return "standard output"
        parts = urlsplit(self.address)
        host = parts.netloc.rpartition("@")[2]
        # The last part of an RTMP path is the stream key, which is secret.
        path = parts.path if parts.scheme != "rtmp" else parts.path.rpartition("/")[0] + "/…"
        return f"{parts.scheme}://{host}{path}"


def is_target(output: str) -> bool:
    """Whether an output is standard output or an address, not a folder."""
    return output == "-" or "://" in output


def parse_target(output: str, pipe_container: str = "matroska") -> StreamTarget:
    """Return the target that `output` names. Raises UsageError if it is not usable."""
    if output == "-":
        if pipe_container not in PIPE_CONTAINERS:
            raise UsageError(
                f"unknown stream format: {pipe_container!r}: use {' or '.join(PIPE_CONTAINERS)}"
            )
        return StreamTarget("-", pipe_container)
    scheme = output.partition("://")[0].lower()
    if scheme not in _CONTAINERS:
        raise UsageError(
            f"{scheme}:// cannot be written to: use {', '.join(_CONTAINERS)}, - or a folder"
        )
    try:
        parts = urlsplit(output)
        usable = bool(parts.hostname) and (parts.port is not None or scheme != "udp")
    except ValueError:
        usable = False
    if usable and has_torn_password(output):
        raise UsageError(torn_password(scheme))
    if not usable:
        raise UsageError(f"not a usable {scheme}:// address: write {scheme}://HOST:PORT/PATH")
    return StreamTarget(scheme + output[len(scheme) :], _CONTAINERS[scheme])


def claim_stdout(targets: tuple[StreamTarget, ...]) -> tuple[StreamTarget, ...]:
    """Reserve standard output for the stream among `targets` that uses it, if any.

    From then on, everything else this process prints goes to standard error.
    Raises UsageError if standard output is a terminal.
    """
    if not any(target.is_pipe for target in targets):
        return targets
    if os.isatty(1):
        raise UsageError(
            "standard output is a terminal: pipe it into a player, such as | ffplay -, or a file"
        )
    claimed = redirect_stdout()
    return tuple(replace(t, fd=claimed) if t.is_pipe else t for t in targets)


def redirect_stdout() -> int:
    """Send what this process prints to standard error; return a descriptor of standard output."""
    sys.stdout.flush()
    claimed = os.dup(1)
    os.dup2(2, 1)
    return claimed
