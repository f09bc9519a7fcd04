"""A process that passes a stream on to an address on the network.

FFmpeg may wait for a receiver for ever, and PyAV then holds Python's lock: here it holds up, and
ends, nothing but this process.
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

# Nothing waits in the muxer: not for more of a cluster, and not for the other stream.
AT_ONCE = {"flush_packets": "1", "max_interleave_delta": "100000"}  # microseconds
BETWEEN = "nut"
"""The container on the way here: it holds every codec and any time base, and nothing back."""
_OPTIONS = {
    "flv": {"flvflags": "no_duration_filesize"},
    "rtsp": {"rtsp_transport": "tcp"},
}


# Modules come from where the owner has its own: Python would look in the current folder first.
_BEGIN = f"import sys; sys.path[:] = sys.argv[1:]; from {__name__} import main; main()"


@dataclass(frozen=True, slots=True)
class _Order:
    """What the process is to do: the address in full, FFmpeg's format, and its patience."""

    address: str
    container: str
    patience_s: float


class Relay:
    """The process, as its owner sees it: `fd` takes the stream."""

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
        # By the pipe: arguments, and passwords in them, are seen by everybody on the machine.
        order = json.dumps(asdict(_Order(address, container, patience_s)))
        os.write(self.fd, order.encode() + b"\n")

    def failure(self) -> str | None:
        """Wait for the process to end; return why it failed, or None."""
        _, told = self._process.communicate()
        if self._process.returncode == 0:
            return None
        if self._process.returncode == 1 and not told:
            return f"nothing was accepted for {self._patience_s:g} s"
        return told.decode().strip() or "the connection broke"

    def kill(self) -> None:
        """End the process whatever it does; safe to call when it has ended."""
        self._process.kill()
        self._process.wait()
        if self._process.stderr:
            self._process.stderr.close()


def pass_on(order: _Order, source: str) -> None:
    """Send the stream that comes from `source` to the address of the order until it ends.

    Raises what FFmpeg raises. The process ends when the receiver takes nothing for longer than the
    order's patience.
    """
    # What is in the stream is told by its header: no need to wait for some seconds of it.
    quick = {"probesize": "32", "analyzeduration": "1", "fflags": "nobuffer"}
    with av.open(source, format=BETWEEN, options=quick) as taken:
        sent = av.open(
            order.address, "w", format=order.container,
            container_options=AT_ONCE | _OPTIONS.get(order.container, {}),
        )  # fmt: skip
        copies = [sent.add_stream_from_template(stream, opaque=True) for stream in taken.streams]
        for packet in taken.demux():
            if packet.dts is not None:  # else the mark of the end
                packet.stream = copies[packet.stream.index]
                with _at_most(order.patience_s):
                    sent.mux(packet)
        with _at_most(order.patience_s):
            sent.close()


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """End this process, without a word, when the block takes longer.

    The watchdog is a thread in C: no Python code would get to run.
    """
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.stdout)  # nobody reads that
    yield
    faulthandler.cancel_dump_traceback_later()


def main() -> None:
    """Be the process: read the order from standard input, and then the stream."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    try:
        pass_on(_Order(**json.loads(line)), "pipe:0")
    except (av.error.FFmpegError, OSError, ValueError) as err:
        # The system's words alone: the whole message quotes the address with its secrets.
        sys.exit(getattr(err, "strerror", None) or str(err) or type(err).__name__)
