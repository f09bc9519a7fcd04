"""Whether anything was found in a run, which writes no file."""

from __future__ import annotations

from collections.abc import Sequence

from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.sinks.base import SegmentationSink


class PresenceSink(SegmentationSink):
    """Gives the likely reason as a warning if the masks of all frames are empty."""

    name = "presence"

    def __init__(self, reason: str) -> None:
        self._reason, self._frames, self._found = reason, 0, 0

    @property
    def warnings(self) -> Sequence[str]:
        """The reason, if there were frames and nothing in them."""
        empty = self._frames and not self._found
        return [f"no cornea in any frame, likely because {self._reason}"] if empty else []

    def write(self, segmentation: Segmentation) -> None:
        """Count a frame."""
        self._frames += 1
        self._found += segmentation.present

    def close(self) -> None:
        """Nothing is open."""

    def abort(self) -> None:
        """Nothing is open."""
