"""A process that forwards a stream to a network address.

FFmpeg can wait for a receiver forever while PyAV holds the GIL. In a separate process this blocks
nothing else, and the process can be killed.
"""

from __future__ import annotations

import faulthandler
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import av

# The muxer buffers nothing: it waits neither for a full cluster nor for the other stream.
AT_ONCE = {"flush_packets": "1", "max_interleave_delta": "100000"}  # microseconds
BETWEEN = "nut"
"""The container between the processes: it supports all codecs and time bases without delay."""
_OPTIONS = {
    "flv": {"flvflags": "no_duration_filesize"},
    "rtsp": {"rtsp_transport": "tcp"},
}


# Use the import path of the owner; by default Python would look in the current folder first.
# Systems send SIGTERM to all processes at once, but the owner ends the stream in order.
_BEGIN = (
    "import sys; sys.path[:] = sys.argv[1:]; "
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    f"from {__name__} import main; main()"
)


@dataclass(frozen=True, slots=True)
class _Order:
    """The order for the process: the full address, FFmpeg's format, and the timeout."""

    address: str
    container: str
    patience_s: float


class Relay:
    """The relay process from the side of its owner; write the stream to `fd`."""

    def __init__(self, address: str, container: str, patience_s: float) -> None:
        """Start the process; it connects when the stream begins."""
        self._patience_s = patience_s
        self._process = subprocess.Popen(
            [sys.executable, "-c", _BEGIN, *sys.path],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            # Ctrl-C is for the owner, who ends the stream in order.
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )  # fmt: skip
        assert self._process.stdin is not None
        self.fd = os.dup(self._process.stdin.fileno())
        self._process.stdin.close()
        self._process.stdin = None
        # Through the pipe, because command-line arguments are visible to all users of the machine.
        order = json.dumps(asdict(_Order(address, container, patience_s)))
        os.write(self.fd, order.encode() + b"\n")

    def failure(self) -> str | None:
        """Wait for the process to end; return the reason if it failed, else None."""
        _, told = self._process.communicate()
        if self._process.returncode == 0:
            return None
        if self._process.returncode == 1 and not told:
            return f"nothing was accepted for {self._patience_s:g} s"
        return told.decode().strip() or "the connection broke"

    def kill(self) -> None:
        """Kill the process; safe to call if it has ended."""
        self._process.kill()
        self._process.wait()
        if self._process.stderr:
            self._process.stderr.close()


def pass_on(order: _Order, source: str) -> None:
    """Forward the stream from `source` to the address of the order until it ends.

    Raises the errors of FFmpeg. The process ends if the receiver accepts nothing for longer than
    the timeout of the order.
    """
    # The header describes the stream, so FFmpeg need not analyze its first seconds.
    quick = {"probesize": "32", "analyzeduration": "1", "fflags": "nobuffer"}
    with av.open(source, format=BETWEEN, options=quick) as taken:
        sent = av.open(
            order.address, "w", format=order.container,
            container_options=AT_ONCE | _OPTIONS.get(order.container, {}),
        )  # fmt: skip
        copies = [sent.add_stream_from_template(stream, opaque=True) for stream in taken.streams]
        for packet in taken.demux():
            if packet.dts is not None:  # None marks the end
                packet.stream = copies[packet.stream.index]
                with _at_most(order.patience_s):
                    sent.mux(packet)
        with _at_most(order.patience_s):
            sent.close()


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Exit this process if the block takes longer.

    The watchdog is a C thread, because no Python code can run meanwhile.
    """
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.stdout)  # nobody reads that
    yield
    faulthandler.cancel_dump_traceback_later()


def main() -> None:
    """Run the process: read the order and then the stream from standard input."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    try:
        pass_on(_Order(**json.loads(line)), "pipe:0")
    except (av.error.FFmpegError, OSError, ValueError) as err:
        # The system's words alone: the whole message quotes the address with its secrets.
        sys.exit(getattr(err, "strerror", None) or str(err) or type(err).__name__)
