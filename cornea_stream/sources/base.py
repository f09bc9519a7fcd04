"""The interface of all sources: described when open, iterated once, then closed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TypeVar

from cornea_stream.media.frame import Frame, MediaInfo
from cornea_stream.sources.read_options import ReadOptions

_Self = TypeVar("_Self", bound="Source")


class Source(ABC):
    """Frames in presentation order with increasing times, for a single pass.

    A source is open once it is constructed: its first frame is decoded, so that what cannot be read
    fails there with a SourceError. `info` describes it. A `with` block closes it. The frames of a
    source that `is_live` arrive when they are filmed, whether or not somebody takes them.
    """

    info: MediaInfo
    is_live: bool = False
    _reading: ReadOptions = ReadOptions()

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames. Raises SourceError."""

    @abstractmethod
    def close(self) -> None:
        """Release resources; safe to call twice."""

    @property
    def selection(self) -> ReadOptions:
        """Which frames are read."""
        return self._reading

    @property
    def decoder(self) -> str:
        """The decoder: CPU or NVDEC."""
        return "CPU"

    @property
    @abstractmethod
    def frame_estimate(self) -> int | None:
        """Approximate number of frames, or None if unknown."""

    @property
    @abstractmethod
    def warnings(self) -> Sequence[str]:
        """Problems of the source so far, one sentence each."""

    @property
    @abstractmethod
    def damaged_s(self) -> Sequence[tuple[float, float]]:
        """Begin and end in seconds of the stretches that could not be decoded so far."""

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
