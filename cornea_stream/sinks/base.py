"""What every sink is: named, closable, and able to say what came of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from cornea_stream.media.frame import Segmentation
from cornea_stream.postprocess.pixel_spacing import Scale


@dataclass(frozen=True, slots=True)
class SinkResult:
    """What a sink adds to the result of a run: the encoder that it used, the scale that it found.

    `stream` names the place that a stream went to.
    """

    encoder: str | None = None
    scale: Scale | None = None
    stream: str | None = None


class SegmentationSink(ABC):
    """An output of a run, which grows with every frame.

    `name` is unique within a run and stands in progress and statistics. `warnings` and `result` are
    complete once the sink is closed. Every method runs in one thread, but for `hurry`.
    """

    name: str

    @property
    def warnings(self) -> Sequence[str]:
        """What was changed or left out, one sentence each."""
        return ()

    @property
    def result(self) -> SinkResult:
        """What the run's result says of this output."""
        return SinkResult()

    @abstractmethod
    def write(self, segmentation: Segmentation) -> None:
        """Add one frame. Raises OutputError."""

    @abstractmethod
    def close(self) -> None:
        """Complete the output and put it under its final name. Raises OutputError."""

    @abstractmethod
    def abort(self) -> None:
        """Release what is open and leave nothing under the final name; must not raise."""

    def hurry(self) -> None:  # noqa: B027 (most sinks never wait for anybody)
        """Make `write`, in another thread, return or raise within about a second."""
