"""Pixel spacing: given, or estimated from the width of the cornea."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass

import numpy as np

from cornea_stream.errors import UsageError, check_number
from cornea_stream.media.frame import Image, MediaInfo
from cornea_stream.postprocess.measurement import Measurement

MEAN_WHITE_TO_WHITE_MM = 11.7
"""Horizontal corneal diameter of healthy adults: 11.71 ± 0.42 mm in 743 eyes (Rüfer, Schröder,
Erb: White-to-white corneal diameter, Cornea 2005;24:259–261)."""
_WHITE_TO_WHITE_RANGE_MM = (5.0, 20.0)
# Suitable frames have high confidence and are neither tilted by more than 45° nor half hidden.
MIN_CONFIDENCE = 0.9
MIN_AXIS_RATIO = 0.7
# With a fixed zoom, the axis stays within a few percent.
MAX_SPREAD = 0.15


@dataclass(frozen=True, slots=True)
class Scale:
    """A pixel spacing; `basis` says where it comes from.

    `mm_per_px` is the height of a pixel of the upright frame, or None if no frame was suitable.
    `aspect` is the pixel aspect ratio (width / height). `frames` is the number of frames used, and
    `spread` the range from the 5th to the 95th percentile of their major axis over its median.
    """

    mm_per_px: float | None
    basis: str
    aspect: float = 1.0
    frames: int | None = None
    spread: float | None = None


class WhiteToWhite:
    """Estimates the pixel spacing at which the median major axis of a run is `diameter_mm`.

    There is one value for all frames, because one per frame would give every frame the same
    diameter. Only frames with high confidence are used that show a whole cornea roughly from
    straight ahead.
    """

    def __init__(self, diameter_mm: float, aspect: float = 1.0) -> None:
        self.diameter_mm, self.aspect = diameter_mm, aspect
        self._axes = array("f")

    def axis(self, mask: Image, found: Measurement, confidence: float) -> float | None:
        """Return the major axis of one frame if the frame is suitable."""
        if confidence < MIN_CONFIDENCE or _touches_border(mask):
            return None
        major, minor = square_axes(
            found.major_axis_px, found.minor_axis_px, found.angle_deg, self.aspect
        )
        return major if minor >= MIN_AXIS_RATIO * major else None

    def note(self, axis: float | None) -> None:
        """Add the axis of one frame."""
        if axis is not None:
            self._axes.append(axis)

    def scale(self) -> Scale:
        """Return the pixel spacing from the frames so far."""
        basis = f"white-to-white {self.diameter_mm:g} mm"
        if not self._axes:
            return Scale(None, basis, self.aspect, frames=0)
        low, middle, high = np.percentile(np.asarray(self._axes), (5, 50, 95))
        return Scale(
            float(self.diameter_mm / middle),
            basis,
            self.aspect,
            frames=len(self._axes),
            spread=float((high - low) / middle),
        )


def check_scale(white_to_white_mm: float | None, mm_per_px: float | None) -> None:
    """Check the options. Raises UsageError."""
    if white_to_white_mm is not None and mm_per_px is not None:
        raise UsageError("two scales: white_to_white_mm and mm_per_px: leave out one of them")
    if white_to_white_mm is not None:
        check_number(
            "white_to_white_mm", white_to_white_mm, *_WHITE_TO_WHITE_RANGE_MM,
            example=MEAN_WHITE_TO_WHITE_MM,
        )  # fmt: skip
    if mm_per_px is not None:
        check_number("mm_per_px", mm_per_px, 0, example=0.02, exclusive=True)


def choose_scale(
    white_to_white_mm: float | None, mm_per_px: float | None, info: MediaInfo
) -> Scale | WhiteToWhite | None:
    """Return the pixel spacing requested or stated by the source, its estimator, or None."""
    aspect = float(info.upright_aspect or 1)
    if white_to_white_mm is not None:
        return WhiteToWhite(white_to_white_mm, aspect)
    if mm_per_px is not None:
        return Scale(mm_per_px, "given", aspect)
    if info.mm_per_px is not None:
        stored_aspect = float(info.sample_aspect_ratio or 1)
        height = info.mm_per_px * (stored_aspect if info.orientation.sideways else 1)
        return Scale(height, "pixel spacing of the file", aspect)
    return None


def square_axes(
    major_px: float, minor_px: float, angle_deg: float, aspect: float
) -> tuple[float, float]:
    """Return the axes of an ellipse in units of the pixel height, for non-square pixels."""
    if aspect == 1:
        return major_px, minor_px
    angle = math.radians(angle_deg)
    along = major_px * math.cos(angle) * aspect, major_px * math.sin(angle)
    across = -minor_px * math.sin(angle) * aspect, minor_px * math.cos(angle)
    # A linear map turns a circle into an ellipse whose axes are the singular values of the map.
    major, minor = np.linalg.svd(np.array([along, across]), compute_uv=False)
    return float(major), float(minor)


def _touches_border(mask: Image) -> bool:
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())
