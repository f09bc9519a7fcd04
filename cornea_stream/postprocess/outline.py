"""The outline of a cornea to a fraction of a network pixel, and a mask of it at any size."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cornea_stream.media.frame import Image, Logits
from cornea_stream.postprocess.ellipse import robust_ellipse
from cornea_stream.postprocess.limbus import on_limbus
from cornea_stream.postprocess.unroll import directions_of

DIRECTIONS = 180
"""A multiple of those in which the limbus is read."""
_SUBPIXEL_BITS = 8

Points = NDArray[np.float64]
"""(N, 2) x and y; pixel centers are whole numbers."""


def trace(
    field: Logits, region: Image, center: NDArray[np.float64], image: Image | None = None
) -> Points:
    """Return the convex outline of a cornea, in pixels of the (h, w) network input.

    `field` is positive inside; `region` is the part of it that counts, 255 inside, in one piece,
    and `center` the mean (x, y) of its pixels.
    Where most of the outline lies near one ellipse, the ellipse takes its place: an instrument over
    the limbus leaves a notch or a bulge, and a cornea has neither. With
    `image`, (h, w, 3) uint8 RGB of the network's input, the ellipse is moved onto the limbus.
    """
    directions = directions_of(DIRECTIONS)
    radii, border = _radii(field, region, center, directions), _border(center, region.shape)
    in_view = radii < border - 1
    ellipse = robust_ellipse(directions, radii, in_view) if in_view.mean() > 0.5 else None
    if ellipse is None:
        points = center + np.where(in_view, radii, border + 1)[:, None] * directions
        points = np.concatenate([points, _corners(region)])
    else:
        if image is not None:
            ellipse = on_limbus(image, center, directions, ellipse, border)
        points = center + np.minimum(ellipse, border + 1)[:, None] * directions
    return np.asarray(cv2.convexHull(points.astype(np.float32))[:, 0], np.float64)


def fill(outline: Points, given: tuple[int, int], wanted: tuple[int, int]) -> Image:
    """Return the (height, width) `wanted` mask of a convex outline in pixels of size `given`."""
    scale = np.array([wanted[1] / given[1], wanted[0] / given[0]])
    points = (outline + 0.5) * scale - 0.5
    # OpenCV sets every pixel that the border touches: half a pixel too far on average.
    outward = points - points.mean(axis=0)
    points -= 0.5 * outward / np.maximum(np.hypot(*outward.T)[:, None], 0.5)
    mask = np.zeros(wanted, np.uint8)
    fixed = np.rint(points * 2**_SUBPIXEL_BITS).astype(np.int32)
    return np.asarray(cv2.fillConvexPoly(mask, fixed, 255, cv2.LINE_8, _SUBPIXEL_BITS), np.uint8)


def _radii(
    field: Logits, region: Image, center: NDArray[np.float64], directions: Points
) -> NDArray[np.float64]:
    """Return how far the region reaches in each direction, to where the field is 0."""
    x, y, width, height = cv2.boundingRect(region)
    corners = np.array([[x, y], [x + width, y], [x, y + height], [x + width, y + height]])
    count = int(np.ceil(np.hypot(*(corners - center).T).max())) + 2
    steps = np.arange(count)
    columns, rows = (
        (start + np.multiply.outer(along, steps)).astype(np.float32)
        for start, along in zip(center, directions.T, strict=True)
    )
    inside = cv2.remap(region, columns, rows, cv2.INTER_NEAREST, borderValue=0) > 0
    values = cv2.remap(field, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    last = count - 1 - np.argmax(inside[:, ::-1], axis=1)
    last = np.minimum(np.where(inside.any(axis=1), last, 0), count - 2)
    # The region is sampled to the nearest pixel and the field between pixels, so that the last step
    # inside may be one too few or too many.
    numbers = np.arange(DIRECTIONS)
    before = last + (values[numbers, last + 1] > 0) - (values[numbers, last] <= 0)
    before = np.clip(before, 0, count - 2)
    near, far = values[numbers, before], values[numbers, before + 1]
    crosses = (near > 0) & (far <= 0)
    share = np.where(crosses, near / np.where(crosses, near - far, 1), 0.0)
    return np.asarray(before + share, np.float64)


def _border(center: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the distance from the center to the picture's border in each direction."""
    directions = directions_of(DIRECTIONS)
    edges = np.where(directions > 0, np.array([shape[1] - 0.5, shape[0] - 0.5]), -0.5)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.nanmin(np.abs((edges - center) / directions), axis=1))


def _corners(region: Image) -> Points:
    """Return the corners of the picture that the region covers, just outside of it."""
    height, width = region.shape
    return np.array(
        [
            (x + np.sign(x - 1), y + np.sign(y - 1))
            for x in (0, width - 1)
            for y in (0, height - 1)
            if region[y, x]
        ],
        np.float64,
    ).reshape(-1, 2)
