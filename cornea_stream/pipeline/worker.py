"""A thread that can be waited for again after Ctrl-C interrupted the wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

WAKE_S = 0.2
"""How long a wait lasts at a time.

Ctrl-C that arrives just before a thread begins to wait does not wake it: Python's handler runs only
once the thread does. A wait without an end would lose it, and a program would hang.
"""


class Worker(threading.Thread):
    """A daemon thread that runs `target`.

    Until Python 3.12, a `join` that Ctrl-C interrupts makes every later one return at once,
    although the thread still runs; whatever it uses would then be closed under it.
    """

    def __init__(self, target: Callable[..., None], name: str, *args: Any) -> None:
        super().__init__(target=target, name=name, args=args, daemon=True)
        self._has_run = threading.Event()

    def run(self) -> None:
        """Run the target."""
        try:
            super().run()
        finally:
            self._has_run.set()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the target to return, at most `timeout` seconds."""
        if timeout is None:
            while not self._has_run.wait(WAKE_S):
                pass
        elif not self._has_run.wait(timeout):
            return
        super().join()
