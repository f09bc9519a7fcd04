"""Calls that may block for ever, made so that the caller can give up on them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

_HURRIED_S = 1.0
_LOOK_EVERY_S = 0.2


class GivenUpError(Exception):
    """A call took too long."""


class PatientCaller:
    """Makes calls one by one in a thread of its own, and gives up on one that does not return.

    Writing to a stalled pipe or connection cannot be interrupted. A call that was given up on
    keeps the thread, which then ends with the process; no further call is made.
    """

    def __init__(self, name: str) -> None:
        self._given_up = False
        self._hurry = threading.Event()
        self._calls: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._outcomes: SimpleQueue[BaseException | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def call(self, work: Callable[[], object], patience_s: float = float("inf")) -> None:
        """Make one call and raise what it raises.

        Raises GivenUpError after `patience_s` seconds, and from then on at once.
        """
        if self._given_up:
            raise GivenUpError
        self._calls.put(work)
        began = time.monotonic()
        while True:
            try:
                error = self._outcomes.get(timeout=_LOOK_EVERY_S)
                break
            except Empty:
                patience_s = min(patience_s, _HURRIED_S) if self._hurry.is_set() else patience_s
                if time.monotonic() - began > patience_s:
                    self._given_up = True
                    raise GivenUpError from None
        if error is not None:
            raise error

    def hurry(self) -> None:
        """Wait for no call longer than a second from now on; for any thread."""
        self._hurry.set()

    def end(self) -> None:
        """End the thread; wait for it unless it was given up on."""
        self._calls.put(None)
        if not self._given_up:
            self._thread.join()

    def _run(self) -> None:
        while (work := self._calls.get()) is not None:
            try:
                work()
            except BaseException as error:  # raised by `call`
                self._outcomes.put(error)
            else:
                self._outcomes.put(None)
