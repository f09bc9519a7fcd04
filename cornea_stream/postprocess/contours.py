"""Contours of masks as simplified polygons of nearly the same area."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cornea_stream.media.frame import Image

# Tolerance of the simplification: a share of the radius, so that small contours stay round, and at
# most one pixel. Discs keep 30 to 65 points and, from a radius of 28 pixels on, an IoU of at least
# 0.99 with themselves.
_TOLERANCE_SHARE = 0.013
_MIN_TOLERANCE, _MAX_TOLERANCE = 0.5, 1.0
_SUBPIXELS = 4

Polygon = NDArray[np.float64]
"""(N, 2) points (x, y) in pixels, N >= 3; implicitly closed."""


def pixel_outlines(mask: Image) -> list[Polygon]:
    """Return the outer contour of every region, through the centers of its border pixels.

    Coordinates are integers; `cv2.fillPoly` restores the mask. Holes are omitted, and regions of
    one or two pixels have no contour.
    """
    return _outlines(mask, 1)


def edge_outlines(mask: Image) -> list[Polygon]:
    """Return the outer contour of every region, along the edges of its pixels.

    As in COCO, the top left corner of the image is (0, 0) and the center of the first pixel is
    (0.5, 0.5). Accurate to an eighth of a pixel.
    """
    x, y, width, height = cv2.boundingRect(mask)
    if not width:
        return []
    part = mask[y : y + height, x : x + width]
    size = (width * _SUBPIXELS, height * _SUBPIXELS)
    fine = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    return [(points + 0.5) / _SUBPIXELS + (x, y) for points in _outlines(fine, _SUBPIXELS)]


def _outlines(mask: Image, pixel: int) -> list[Polygon]:
    """Return the contours of a mask in which `pixel` × `pixel` pixels are one frame pixel."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    found = []
    for contour in contours:
        radius = np.sqrt(cv2.contourArea(contour) / np.pi)
        tolerance = np.clip(_TOLERANCE_SHARE * radius / pixel, _MIN_TOLERANCE, _MAX_TOLERANCE)
        points = cv2.approxPolyDP(contour, float(tolerance) * pixel, True)[:, 0]
        if len(points) >= 3:
            found.append(points.astype(np.float64))
    return found
