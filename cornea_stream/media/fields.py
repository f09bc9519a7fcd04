"""Interlaced frames: the image at the time of the first field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Field: TypeAlias = Literal["top", "bottom"]
Pixels = NDArray[np.uint8]

_COMB, _BLOCK, _SHARE = 12, (16, 8), 0.1
"""Movement shows as rows that are all this much brighter or darker than both of their neighbors, in
this share of a block (width, height in rows of one field)."""


def deinterlace(planes: Sequence[Pixels], first: Field) -> None:
    """Make frames show the moment of the field `first`, in place: interpolate the other rows.

    `planes` are those of YUV, or one (H, W, 3) RGB. A frame in which nothing moves between the
    fields, such as progressive video that is flagged interlaced, is left as it is.
    """
    luma = planes[0] if planes[0].ndim == 2 else cv2.extractChannel(planes[0], 1)
    if is_combed(np.asarray(luma, np.uint8), first):
        for plane in planes:
            _interpolate(plane, first)


def is_combed(gray: Pixels, first: Field) -> bool:
    """Whether something in an image (H, W) moves between its fields."""
    above, second, below = _rows(gray, first)
    if not len(second):
        return False
    brighter = cv2.subtract(second, cv2.max(above, below))
    darker = cv2.subtract(cv2.min(above, below), second)
    combed = cv2.threshold(cv2.max(brighter, darker), _COMB, 255, cv2.THRESH_BINARY)[1]
    size = [max(1, side // block) for side, block in zip(combed.shape[::-1], _BLOCK, strict=True)]
    return bool(cv2.resize(combed, size, interpolation=cv2.INTER_AREA).max() > 255 * _SHARE)


def _interpolate(pixels: Pixels, first: Field) -> None:
    above, second, below = _rows(pixels, first)
    cv2.addWeighted(above, 0.5, below, 0.5, 0, dst=second)
    if first == "bottom":
        pixels[0] = pixels[1]
    if len(pixels) % 2 == (first == "bottom"):
        pixels[-1] = pixels[-2]


def _rows(pixels: Pixels, first: Field) -> tuple[Pixels, Pixels, Pixels]:
    """Return the rows of the second field, and the row of the first above and below each."""
    begin = int(first == "bottom")
    field = pixels[begin::2]
    return field[:-1], pixels[begin + 1 :: 2][: len(field) - 1], field[1:]
