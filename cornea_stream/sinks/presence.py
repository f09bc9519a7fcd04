"""In how many frames of a run something was found; writes no file."""

from __future__ import annotations

from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.sinks.base import SegmentationSink, SinkResult


class PresenceSink(SegmentationSink):
    """Counts the frames with a cornea."""

    name = "presence"

    def __init__(self) -> None:
        self._found = 0

    @property
    def result(self) -> SinkResult:
        """The count."""
        return SinkResult(frames_found=self._found)

    def write(self, segmentation: Segmentation) -> None:
        """Count a frame."""
        self._found += segmentation.present

    def close(self) -> None:
        """Nothing is open."""

    def abort(self) -> None:
        """Nothing is open."""


def warn_of_nothing(frames: int, found: int | None, doubt: str | None = None) -> list[str]:
    """Return the warning that nothing was found in `frames` frames, or no warning.

    `doubt` is the likely reason, as a clause.
    """
    if not frames or found != 0:
        return []
    reason = f", likely because {doubt}" if doubt else ": look at the recording"
    return [f"no cornea in any frame{reason}"]
