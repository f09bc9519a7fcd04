"""One image of any type, or the path of one, as a frame."""

from __future__ import annotations

from os import PathLike

from cornea_stream.errors import UsageError
from cornea_stream.media.frame import Frame
from cornea_stream.media.image_input import ColorOrder, as_frame
from cornea_stream.sources import open_source

FRAMES_PER_SECOND = 25
"""The rate at which images without times are numbered."""


def image_frame(
    image: object, index: int = 0, *, color: ColorOrder = "rgb", timed: bool = False
) -> Frame:
    """Return an image, or the image at a path, as the frame with this number.

    Without a timestamp of its own, its time is that of its number if it is `timed`, and else 0.
    Raises UsageError if it is not an image or the path holds several, and SourceError if the path
    cannot be read.
    """
    time_s = index / FRAMES_PER_SECOND if timed else 0.0
    if not isinstance(image, str | PathLike):
        return as_frame(index, image, time_s, color=color)
    with open_source(image) as source:
        if source.info.kind != "image":
            raise UsageError(f"image must be a single image: {image}: use Segmenter.stream for it")
        frame = next(iter(source))
    return Frame(index, time_s, frame.video)
