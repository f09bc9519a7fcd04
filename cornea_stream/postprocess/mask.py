"""Logits -> mask: upsample, threshold, and make one smooth cornea of it, or none."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from cornea_stream.media.frame import Image, Logits
from cornea_stream.postprocess.outline import fill, trace

# A cornea a tenth of the frame's height covers 0.6 % of a 4:3 frame; half of that is noise.
MIN_AREA_FRACTION = 0.003
# Mean probability inside; a real cornea is above 0.9, confused skin or drape hovers near 0.5.
MIN_CONFIDENCE = 0.6
# IoU of the outline with the ellipse of the same moments; a half disc still reaches 0.87.
MIN_ELLIPSE_IOU = 0.7
# Minor to major axis: a round cornea squashed from 16:9 has 0.56, one half out of view 0.28.
MIN_AXIS_RATIO = 0.12
SPUR_SHARE = 0.35
"""Spurs thinner than this share of the cornea's radius (on each side) are cut."""


def upsample_logits(logits: Logits, size: tuple[int, int]) -> Logits:
    """Return logits of the network's input size (height, width), corners aligned.

    Equal to `nn.Upsample(mode="bilinear", align_corners=True)`, the network's own last layer, up
    to fp32 round-off.
    """
    # First along the rows, while they are few; then whole rows are mixed, which lie in one piece.
    wide = np.ascontiguousarray(_stretch(logits.T, size[1]).T)
    return _stretch(wide, size[0])


def raw_mask(
    logits: Logits, frame_size: tuple[int, int], threshold: float = 0.5
) -> tuple[Image, float]:
    """Return the mask as the published steps make it, and its confidence.

    `logits`: (h, w) of the network's input size. Threshold on the probability, then nearest
    neighbor to `frame_size` (height, width).
    """
    small = (logits > logit(threshold)).astype(np.uint8) * np.uint8(255)
    confidence = _confidence(logits, small)
    height, width = frame_size
    mask = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(mask, np.uint8), confidence


def cornea_mask(
    logits: Logits,
    frame_size: tuple[int, int],
    threshold: float = 0.5,
    image: Image | None = None,
) -> tuple[Image, float]:
    """Return one smooth cornea at `frame_size` (height, width) and its confidence.

    `logits`: (h, w) of the network's input size. Keeps the largest component, fills its holes,
    cuts spurs and closes notches: a cornea is convex, and it runs on beneath instruments, on the
    ellipse that the rest of its outline lies on. The edge is smooth at any size, and lies on the
    limbus if `image` is given, (h, w, 3) uint8 RGB of the network's input. An outline that
    is plainly no cornea (too small, too ragged against the ellipse of its moments, too uncertain)
    gives an empty mask and confidence 0.
    """
    level = logit(threshold)
    region = _without_spurs(_largest((logits > level).astype(np.uint8)))
    confidence = _confidence(logits, region)
    if (
        cv2.countNonZero(region) < MIN_AREA_FRACTION * region.size
        or confidence < MIN_CONFIDENCE
        or not _roundish(region, moments := _moments(region))
    ):
        return np.zeros(frame_size, np.uint8), 0.0
    outline = trace(logits - np.float32(level), region, moments.center, image)
    return fill(outline, (region.shape[0], region.shape[1]), frame_size), confidence


def logit(probability: float) -> float:
    """Return the logit of a probability; 0 and 1 give minus and plus infinity."""
    with np.errstate(divide="ignore"):
        return float(np.log(probability) - np.log1p(-probability))


def iou(a: Image, b: Image) -> float:
    """Return the intersection over union of two masks of one size; 1 when both are empty."""
    union = cv2.countNonZero(cv2.bitwise_or(a, b))
    return cv2.countNonZero(cv2.bitwise_and(a, b)) / union if union else 1.0


def _stretch(values: Logits, length: int) -> Logits:
    """Interpolate along the first axis to `length`, first and last row staying where they are."""
    before, after, share = _positions(length, values.shape[0])
    start, stretched = values.take(before, axis=0), values.take(after, axis=0)
    stretched -= start
    stretched *= share
    stretched += start
    return stretched


@lru_cache(maxsize=16)
def _positions(
    length: int, given: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    position = np.linspace(0, given - 1, length)
    before = np.minimum(position.astype(np.intp), max(given - 2, 0))
    share = (position - before).astype(np.float32)[:, None]
    return before, np.minimum(before + 1, given - 1), share


def _largest(mask: Image) -> Image:
    """Return the largest region of an (h, w) mask, without holes; empty for an empty one."""
    region = np.zeros(mask.shape, np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if contours:
        cv2.drawContours(region, [max(contours, key=cv2.contourArea)], 0, 255, cv2.FILLED)
    return region


def _without_spurs(region: Image) -> Image:
    """Open a region with a disc of a share of its radius, as if it went on beyond the frame."""
    reach = int(SPUR_SHARE * np.sqrt(cv2.countNonZero(region) / np.pi))
    if reach == 0:
        return region
    padded = cv2.copyMakeBorder(region, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    x, y, width, height = cv2.boundingRect(padded)
    box = np.s_[max(0, y - 1) : y + height + 1, max(0, x - 1) : x + width + 1]
    # Two distance transforms do what a large structuring element would do many times slower.
    depth = cv2.distanceTransform(padded[box], cv2.DIST_L2, cv2.DIST_MASK_5)
    outside_core = (depth <= reach).astype(np.uint8)
    if cv2.countNonZero(outside_core) == outside_core.size:
        return region
    away = cv2.distanceTransform(outside_core, cv2.DIST_L2, cv2.DIST_MASK_5)
    opened = np.zeros_like(padded)
    opened[box] = padded[box] * (away <= reach)
    return _largest(np.asarray(opened[reach:-reach, reach:-reach], np.uint8))


def _confidence(logits: Logits, region: Image) -> float:
    inside = logits[region > 0]
    return float(np.mean(1 / (1 + np.exp(-inside)))) if inside.size else 0.0


@dataclass(frozen=True, slots=True)
class _Moments:
    """Mean (x, y) of the pixels of a region, and the (2, 2) covariance of their places."""

    center: NDArray[np.float64]
    covariance: NDArray[np.float64]


def _moments(region: Image) -> _Moments:
    x, y, width, height = cv2.boundingRect(region)
    found = cv2.moments(region[y : y + height, x : x + width])
    area = found["m00"]
    center = np.array([x + found["m10"] / area, y + found["m01"] / area])
    covariance = np.array([[found["mu20"], found["mu11"]], [found["mu11"], found["mu02"]]])
    return _Moments(center, covariance / area)


def _roundish(region: Image, moments: _Moments) -> bool:
    """Whether a region agrees with the ellipse of equal area moments, and that is no streak."""
    values, vectors = np.linalg.eigh(moments.covariance)
    # A filled ellipse with semi-axes a, b has variances a²/4, b²/4 along them.
    semi_minor, semi_major = 2 * np.sqrt(np.maximum(values, 0.25))
    angle = float(np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1])))
    ellipse = np.zeros_like(region)
    size = (2 * semi_major, 2 * semi_minor)
    cv2.ellipse(ellipse, (moments.center.tolist(), size, angle), 255, cv2.FILLED)
    streak = semi_minor < MIN_AXIS_RATIO * semi_major
    return not streak and iou(region, ellipse) >= MIN_ELLIPSE_IOU
