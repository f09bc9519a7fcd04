"""Which frames of a source to read, and which problems to tolerate."""

from __future__ import annotations

from dataclasses import dataclass

from cornea_stream.errors import UsageError, check_flag, check_number
from cornea_stream.media.times import optional_seconds
from cornea_stream.sources.containers import MAX_MEGAPIXELS, pixel_limit


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Selects the frames with `start_s` <= time < `end_s`, and every `every`-th of them.

    With `strict`, damage raises SourceError; otherwise it is skipped with a warning. Frames above
    `max_megapixels` are refused before memory is allocated for them. `video_track` numbers the
    video streams from 0; None takes the main one. `keep_metadata` carries all metadata over to
    the outputs, also places and names.
    Raises UsageError for invalid values.
    """

    start_s: float | None = None
    end_s: float | None = None
    every: int = 1
    strict: bool = False
    max_megapixels: float = MAX_MEGAPIXELS
    video_track: int | None = None
    keep_metadata: bool = False

    def __post_init__(self) -> None:
        for name in ("start_s", "end_s"):
            object.__setattr__(self, name, optional_seconds(name, getattr(self, name)))
        check_flag("strict", self.strict)
        check_flag("keep_metadata", self.keep_metadata)
        if self.start_s is not None and self.end_s is not None and self.end_s <= self.start_s:
            raise UsageError(
                f"end must be after start: {self.start_s:g} s to {self.end_s:g} s: swap them"
            )
        check_number("every", self.every, 1, example=2)
        if self.video_track is not None:
            check_number("video_track", self.video_track, 0, example=1)
        pixel_limit(self.max_megapixels)
