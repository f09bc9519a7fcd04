"""The interface of all sinks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.postprocess.pixel_spacing import Scale


@dataclass(frozen=True, slots=True)
class SinkResult:
    """What a sink adds to the result of a run: the encoder, and the pixel spacing it estimated.

    `stream` is the target of a stream, `frames_found` the number of frames with a cornea.
    """

    encoder: str | None = None
    scale: Scale | None = None
    stream: str | None = None
    frames_found: int | None = None


class SegmentationSink(ABC):
    """An output of a run that grows with every frame.

    `name` is unique within a run and used in progress and statistics. `warnings` and `result` are
    complete once the sink is closed. No two methods except `hurry` run at once.
    """

    name: str

    @property
    def warnings(self) -> Sequence[str]:
        """What was changed or omitted, one sentence each."""
        return ()

    @property
    def result(self) -> SinkResult:
        """What this sink adds to the result of the run."""
        return SinkResult()

    @abstractmethod
    def write(self, segmentation: Segmentation) -> None:
        """Add one frame. Raises OutputError."""

    @abstractmethod
    def close(self) -> None:
        """Complete the output and put it under its final name. Raises OutputError."""

    @abstractmethod
    def abort(self) -> None:
        """Release resources and leave nothing under the final name; must not raise."""

    def hurry(self) -> None:  # noqa: B027 (most sinks never block)
        """Make a blocked `write` or `close` in another thread return or raise within a second."""
