"""An event that another one sets too."""

from __future__ import annotations

import threading
import time

from cornea_stream.pipeline.worker import WAKE_S


class LinkedEvent(threading.Event):
    """An event that is also set if `other` is; setting it leaves `other` alone.

    One of many runs that share an event can thus be ended by itself.
    """

    def __init__(self, other: threading.Event | None) -> None:
        super().__init__()
        self._other = other

    def is_set(self) -> bool:
        """Return whether either event is set."""
        return super().is_set() or (self._other is not None and self._other.is_set())

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until either event is set, at most `timeout` seconds; return whether one is."""
        end = float("inf") if timeout is None else time.monotonic() + timeout
        while not self.is_set() and (left := end - time.monotonic()) > 0:
            super().wait(min(WAKE_S, left))
        return self.is_set()
