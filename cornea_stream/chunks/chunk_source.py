"""The frames of one chunk of a video, with context on both sides."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from cornea_stream.chunks.cuts import Chunk
from cornea_stream.media.frame import Frame
from cornea_stream.sources.read_options import ReadOptions
from cornea_stream.sources.video import VideoSource


class ChunkSource(VideoSource):
    """Reads `chunk` of a video; frames are numbered as in the whole run.

    `evidence` is what is needed to check whether the chunk matches its neighbors. `taken` counts
    its own frames as they are yielded, `context` the frames before them.
    """

    def __init__(
        self,
        path: Path,
        chunk: Chunk,
        reading: ReadOptions | None = None,
    ) -> None:
        """Open the video for a run over the frames that `reading` selects."""
        self.chunk = chunk
        self.taken = self.context = 0
        self._before = self._after = 0
        self._last_s = 0.0
        self._seen: dict[int, tuple[int, str]] = {}
        super().__init__(path, reading)

    @property
    def evidence(self) -> dict[str, Any]:
        """The evidence as plain values for JSON.

        `taken` is the number of own frames yielded, the last at `last_time_s`. `mended` counts
        packets that could not be decoded and times that differ from the file. `whole_context` is
        whether exactly the planned context was read. `seen` has the number and digest of the
        frame at each of the times `head` and `foot`.
        """
        planned = self.chunk.before, self.chunk.after
        return {
            "taken": self.taken,
            "last_time_s": self._last_s,
            "mended": self._damage.count + self._retimed + self._joined,
            "whole_context": (self._before, self._after) == planned,
            "seen": {str(pts): list(found) for pts, found in self._seen.items()},
        }

    def _selected(self, start_s: float | None) -> Iterator[Frame]:
        chunk = self.chunk
        number = itertools.count(chunk.index - chunk.before)
        begins = chunk.index == 0  # the run's own beginning: as without chunks
        time_base = self._stream.time_base or Fraction(1, 90000)
        lead_s = (start_s or 0.0) if begins else float(chunk.lead * time_base)
        for frame in self._watched(self._decoded_until(lead_s)):
            pts = frame.video.pts
            assert pts is not None
            if frame.time_s < (start_s or -math.inf) if begins else pts < chunk.lead:
                continue
            if chunk.tail is not None and pts >= chunk.tail:
                return
            if self._reading.end_s is not None and frame.time_s >= self._reading.end_s:
                return
            index = next(number)
            taken = index % self._reading.every == 0
            self._account(pts, index, taken, frame)
            if taken:
                yield replace(frame, index=index)

    def _account(self, pts: int, index: int, taken: bool, frame: Frame) -> None:
        chunk = self.chunk
        if pts in chunk.head or pts in chunk.foot:
            # Before it is passed on, because sinks can paint on it.
            self._seen[pts] = index, hashlib.sha256(frame.rgb().tobytes()).hexdigest()
        if chunk.holds(pts):
            self.taken += taken
            self._last_s = frame.time_s if taken else self._last_s
        elif pts < chunk.start:
            self._before += 1
            self.context += taken
        else:
            self._after += 1
