"""Colors: names to RGB, and RGB to a frame's own YUV."""

from __future__ import annotations

import re
from collections.abc import Sequence
from numbers import Integral
from typing import NamedTuple, TypeAlias

from av.video.reformatter import ColorRange, Colorspace

from cornea_stream.errors import UsageError, wrong_type

RGB = tuple[int, int, int]
Color: TypeAlias = str | Sequence[int]
"""A name, "#rgb", "#rrggbb", or red, green and blue."""

NAMED: dict[str, RGB] = {
    "green": (0, 255, 0),
    "red": (255, 0, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "cyan": (0, 255, 255),
    "magenta": (255, 0, 255),
    "orange": (255, 165, 0),
    "white": (255, 255, 255),
}

_HEX = re.compile(r"#(?:[0-9a-f]{3}){1,2}")

# Luma weights of red and blue: ITU-R BT.601-7, BT.709-6 and BT.2020-2, by FFmpeg's number.
_BT601 = (0.299, 0.114)
_LUMA_WEIGHTS = {
    int(Colorspace.ITU709): (0.2126, 0.0722),
    int(Colorspace.BT2020): (0.2627, 0.0593),
}


class YuvToRgb(NamedTuple):
    """R, G, B = luma · (Y - black) + [red_cr · Cr, green_cb · Cb + green_cr · Cr, blue_cb · Cb].

    Y, Cb and Cr as stored in 8 bits, Cb and Cr less 128.
    """

    black: int
    luma: float
    red_cr: float
    green_cb: float
    green_cr: float
    blue_cb: float


def parse_color(color: Color) -> RGB:
    """Return the RGB of a name, "#rgb", "#rrggbb", or of red, green and blue, 0–255 each.

    Raises UsageError for anything else.

    >>> parse_color("orange"), parse_color("#0ff"), parse_color((0, 255, 255))
    ((255, 165, 0), (0, 255, 255), (0, 255, 255))
    """
    if not isinstance(color, str):
        return _three_bytes(color)
    name = color.strip().lower()
    if name in NAMED:
        return NAMED[name]
    if not _HEX.fullmatch(name):
        raise UsageError(f"unknown color: {color!r}: use {', '.join(NAMED)}, #rgb or #rrggbb")
    digits = name[1:] if len(name) == 7 else "".join(2 * digit for digit in name[1:])
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue


def hex_color(color: Color) -> str:
    """Return a color as text: names and hexadecimal numbers as they are. Raises UsageError."""
    return color if isinstance(color, str) else "#{:02x}{:02x}{:02x}".format(*parse_color(color))


def _three_bytes(color: object) -> RGB:
    try:
        numbers = list(color)  # type: ignore[call-overload]
    except TypeError:
        raise wrong_type("color", color, 'a name, "#rrggbb" or (red, green, blue)') from None
    if len(numbers) != 3 or not all(isinstance(n, Integral) and n in range(256) for n in numbers):
        raise UsageError(f"color must be three integers from 0 to 255: {color}: try (0, 255, 255)")
    red, green, blue = map(int, numbers)
    return red, green, blue


def rgb_to_yuv(color: RGB, colorspace: int, color_range: int) -> tuple[int, int, int]:
    """Return the 8-bit Y, Cb, Cr of an RGB color (0–255 each).

    `colorspace` and `color_range` are FFmpeg's numbers as on the frame; an unspecified matrix is
    BT.601 and an unspecified range limited, FFmpeg's own convention.
    """
    kr, kb = _LUMA_WEIGHTS.get(colorspace, _BT601)
    r, g, b = (c / 255 for c in color)
    luma = kr * r + (1 - kr - kb) * g + kb * b
    cb, cr = (b - luma) / (2 * (1 - kb)), (r - luma) / (2 * (1 - kr))
    if color_range == ColorRange.JPEG:
        return round(255 * luma), round(128 + 255 * cb), round(128 + 255 * cr)
    return round(16 + 219 * luma), round(128 + 224 * cb), round(128 + 224 * cr)


def yuv_to_rgb(colorspace: int, *, full_range: bool) -> YuvToRgb:
    """Return the inverse of `rgb_to_yuv`, without its rounding."""
    kr, kb = _LUMA_WEIGHTS.get(colorspace, _BT601)
    kg = 1 - kr - kb
    black, luma, chroma = (0, 1.0, 1.0) if full_range else (16, 255 / 219, 255 / 224)
    red, blue = 2 * (1 - kr) * chroma, 2 * (1 - kb) * chroma
    return YuvToRgb(black, luma, red, -blue * kb / kg, -red * kr / kg, blue)
