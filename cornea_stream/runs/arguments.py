"""The segmenter that the functions of this room take."""

from __future__ import annotations

from cornea_stream.errors import wrong_type
from cornea_stream.inference.segmenter import Segmenter


def checked_segmenter(segmenter: object) -> Segmenter:
    """Return a segmenter; for None, one with the default weights. Raises UsageError."""
    if segmenter is None:
        return Segmenter()
    if not isinstance(segmenter, Segmenter):
        raise wrong_type("segmenter", segmenter, "a Segmenter")
    return segmenter
