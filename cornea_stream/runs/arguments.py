"""Arguments that the functions of this room share."""

from __future__ import annotations

from os import PathLike

from cornea_stream.errors import wrong_type
from cornea_stream.inference.segmenter import Segmenter


def check_folder(output_dir: object) -> None:
    """Raise UsageError unless `output_dir` is a path."""
    if not isinstance(output_dir, str | PathLike):
        raise wrong_type("output_dir", output_dir, "the path of a folder")


def checked_segmenter(segmenter: object) -> Segmenter:
    """Return a segmenter; for None, one with the default weights. Raises UsageError."""
    if segmenter is None:
        return Segmenter()
    if not isinstance(segmenter, Segmenter):
        raise wrong_type("segmenter", segmenter, "a Segmenter")
    return segmenter
