"""Writes to a pipe whose reader can be slow, pause or go away."""

from __future__ import annotations

import os
import select
import threading

_LOOK_EVERY_MS = 200
_NEVER_BLOCKS = getattr(select, "PIPE_BUF", 4096)
"""So many bytes go into a pipe that has room."""


class AbandonedError(Exception):
    """The reader accepts nothing, and the wait was abandoned."""


class Pipe:
    """A file object for PyAV that writes to a descriptor without seeking.

    It waits for a blocked reader until `abandon` is called; on Windows, which does not report
    whether a pipe has room, indefinitely.
    """

    def __init__(self, fd: int) -> None:
        self.closed = False
        self._fd = fd
        self._abandoned = threading.Event()
        self._room = select.poll() if hasattr(select, "poll") else None
        if self._room:
            self._room.register(fd, select.POLLOUT)

    def write(self, data: bytes) -> int:
        """Write all of `data`. Raises AbandonedError, and BrokenPipeError without a reader."""
        rest = memoryview(data)
        while rest:
            while self._room and not self._room.poll(_LOOK_EVERY_MS):
                if self._abandoned.is_set():
                    raise AbandonedError
            rest = rest[os.write(self._fd, rest[:_NEVER_BLOCKS]) :]
        return len(data)

    def abandon(self) -> None:
        """Stop waiting for the reader; can be called from any thread."""
        self._abandoned.set()

    def close(self) -> None:
        """Close the descriptor, which ends the stream for the reader; safe to call twice."""
        if not self.closed:
            self.closed = True
            os.close(self._fd)
