"""Sources: open a video, an image or a folder of images, and iterate its frames in order."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from cornea_stream.errors import UsageError
from cornea_stream.source.images import ImageSource, is_image
from cornea_stream.source.media import MAX_MEGAPIXELS
from cornea_stream.source.video import VideoSource

Source: TypeAlias = VideoSource | ImageSource

__all__ = ["ImageSource", "Source", "VideoSource", "is_image", "open_source"]


def open_source(
    path: str | Path,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    every: int = 1,
    strict: bool = False,
    max_megapixels: float = MAX_MEGAPIXELS,
) -> Source:
    """Open `path`: a video or image file, or a folder of images taken as one sequence.

    Frames with `start_s` <= time < `end_s` are read, and of those every `every`-th.
    With `strict` the first damage is a SourceError instead of being skipped and told in `warnings`.
    Pictures of more than `max_megapixels` are refused before memory is spent on them.
    Raises SourceError when nothing can be read there, UsageError when the arguments make no sense.
    """
    path = Path(path)
    if every < 1:
        raise UsageError(f"every must be 1 or more: {every}: give a whole number")
    if start_s is not None and end_s is not None and end_s <= start_s:
        raise UsageError(f"end must lie after start: {start_s:g} s to {end_s:g} s: swap them")
    kind = ImageSource if path.is_dir() or is_image(path) else VideoSource
    return kind(
        path,
        start_s=start_s,
        end_s=end_s,
        every=every,
        strict=strict,
        max_megapixels=max_megapixels,
    )
