"""What every source is: described once it is open, iterated once, and closed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TypeVar

from cornea_stream.media.frame import Frame, MediaInfo

_Self = TypeVar("_Self", bound="Source")


class Source(ABC):
    """Frames in the order of their presentation, with times that always grow; one pass.

    A source is open once it is constructed: its first frame is decoded, so that what cannot be read
    fails there with a SourceError. `info` describes it. A `with` block closes it.
    """

    info: MediaInfo

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames. Raises SourceError."""

    @abstractmethod
    def close(self) -> None:
        """Release what is open; safe to call twice."""

    @property
    def decoder(self) -> str:
        """Who decodes: CPU or NVDEC."""
        return "CPU"

    @property
    @abstractmethod
    def frame_estimate(self) -> int | None:
        """About how many frames there will be; None if nobody knows."""

    @property
    @abstractmethod
    def warnings(self) -> Sequence[str]:
        """What was wrong with the source as far as it was read, one sentence each."""

    @property
    @abstractmethod
    def damaged_s(self) -> Sequence[tuple[float, float]]:
        """First and last second of the stretches that could not be decoded, as far as read."""

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
