"""Which frames of a source are read, and what is tolerated on the way."""

from __future__ import annotations

from dataclasses import dataclass

from cornea_stream.errors import UsageError, check_number
from cornea_stream.sources.containers import MAX_MEGAPIXELS, pixel_limit


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """The frames with `start_s` <= time < `end_s`, and of those every `every`-th.

    With `strict` the first damage is a SourceError instead of being skipped with a warning.
    Frames of more than `max_megapixels` are refused before memory is spent on them.
    Raises UsageError for values that make no sense.
    """

    start_s: float | None = None
    end_s: float | None = None
    every: int = 1
    strict: bool = False
    max_megapixels: float = MAX_MEGAPIXELS

    def __post_init__(self) -> None:
        if self.start_s is not None:
            check_number("start_s", self.start_s, 0, example=1.5)
        if self.end_s is not None:
            check_number("end_s", self.end_s, 0, example=1.5)
        if self.start_s is not None and self.end_s is not None and self.end_s <= self.start_s:
            raise UsageError(
                f"end must be after start: {self.start_s:g} s to {self.end_s:g} s: swap them"
            )
        check_number("every", self.every, 1, example=2)
        pixel_limit(self.max_megapixels)
