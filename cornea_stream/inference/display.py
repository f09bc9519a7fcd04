"""How results show themselves in notebooks: images and tables as HTML."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape

import cv2
import numpy as np

from cornea_stream.media.frame import Image

_WIDEST = 640
"""Width in pixels above which images are shrunk, so that notebooks stay small."""
_QUALITY = 90


def png(image: Image) -> bytes:
    """Return (H, W, 3) RGB as a PNG of at most 640 pixels width."""
    return _encoded(image, ".png", [cv2.IMWRITE_PNG_COMPRESSION, 9])


def image_tag(image: Image) -> str:
    """Return (H, W, 3) RGB as an HTML image that contains its pixels."""
    data = base64.b64encode(_encoded(image, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]))
    return f'<img alt="frame" src="data:image/jpeg;base64,{data.decode()}">'


def table(values: Mapping[str, object]) -> str:
    """Return names and values as an HTML table; None is left out."""
    rows = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th>'
        f'<td style="text-align:left">{escape(_text(value))}</td></tr>'
        for name, value in values.items()
        if value is not None
    )
    return f"<table>{rows}</table>"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _encoded(image: Image, suffix: str, options: list[int]) -> bytes:
    height, width = image.shape[:2]
    if width > _WIDEST:
        size = _WIDEST, max(1, round(height * _WIDEST / width))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    _, data = cv2.imencode(suffix, np.ascontiguousarray(image[..., ::-1]), options)
    return data.tobytes()
