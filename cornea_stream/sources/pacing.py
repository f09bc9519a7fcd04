"""Plays a recording in real time, as a camera would deliver it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator

from cornea_stream.media.frame import Frame

_NOTICED_S = 1.0


class Paced:
    """Yields every frame when it is due relative to the first one; late ones immediately.

    `stop` ends waiting.
    """

    def __init__(self, frames: Iterable[Frame], stop: threading.Event | None = None) -> None:
        self._frames = frames
        self._stop = stop or threading.Event()
        self._behind_s = 0.0

    def __iter__(self) -> Iterator[Frame]:
        begin: float | None = None
        for frame in self._frames:
            now = time.monotonic()
            begin = now - frame.time_s if begin is None else begin
            self._behind_s = now - begin - frame.time_s
            if self._behind_s < 0:
                self._stop.wait(-self._behind_s)
            yield frame

    @property
    def warnings(self) -> list[str]:
        """A warning if frames were read slower than real time."""
        if self._behind_s < _NOTICED_S:
            return []
        return [
            f"slower than real time: {self._behind_s:.0f} s behind at the end: try every=2, "
            "precision=int8 or a faster machine"
        ]
