"""Millimeters from pixels: a scale that is given, or estimated from the width of the cornea."""

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
# Frames that the scale is taken from: sure, and neither tilted by more than 45° nor half hidden.
MIN_CONFIDENCE = 0.9
MIN_AXIS_RATIO = 0.7
# A steady microscope keeps the axis within a few per cent; more is zoom.
MAX_SPREAD = 0.15


@dataclass(frozen=True, slots=True)
class Scale:
    """An estimate of the size of a pixel; `basis` says where it comes from.

    `mm_per_px` is the height of a pixel of the upright picture, None where no frame gave a scale;
    `aspect` is a pixel's width over its height. `frames` were used; `spread` is the distance from
    the 5th to the 95th percentile of their major axis over its median.
    """

    mm_per_px: float | None
    basis: str
    aspect: float = 1.0
    frames: int | None = None
    spread: float | None = None


class WhiteToWhite:
    """The scale at which the cornea's median major axis over a run is `diameter_mm` long.

    One scale for all frames, since one per frame would give every frame the same diameter. It
    takes part only in frames that show a whole cornea, surely and from about straight ahead.
    """

    def __init__(self, diameter_mm: float, aspect: float = 1.0) -> None:
        self.diameter_mm, self.aspect = diameter_mm, aspect
        self._axes = array("f")

    def axis(self, mask: Image, found: Measurement, confidence: float) -> float | None:
        """Return the major axis of one frame's cornea where that qualifies."""
        if confidence < MIN_CONFIDENCE or _touches_border(mask):
            return None
        major, minor = square_axes(
            found.major_axis_px, found.minor_axis_px, found.angle_deg, self.aspect
        )
        return major if minor >= MIN_AXIS_RATIO * major else None

    def note(self, axis: float | None) -> None:
        """Take one frame's axis into account."""
        if axis is not None:
            self._axes.append(axis)

    def scale(self) -> Scale:
        """Return the scale that the frames so far give."""
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
    """Check what is asked for. Raises UsageError."""
    if white_to_white_mm is not None and mm_per_px is not None:
        raise UsageError("two scales: white_to_white_mm and mm_per_px: leave one of them out")
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
    """Return the scale for a source, or what will find it; None when neither is asked for."""
    aspect = float(info.sample_aspect_ratio or 1)
    if info.rotation % 180:
        aspect = 1 / aspect
    if white_to_white_mm is not None:
        return WhiteToWhite(white_to_white_mm, aspect)
    if mm_per_px is not None:
        return Scale(mm_per_px, "given", aspect)
    return None


def square_axes(
    major_px: float, minor_px: float, angle_deg: float, aspect: float
) -> tuple[float, float]:
    """Return an ellipse's axes in units of a pixel's height, for pixels that are not square."""
    if aspect == 1:
        return major_px, minor_px
    angle = math.radians(angle_deg)
    along = major_px * math.cos(angle) * aspect, major_px * math.sin(angle)
    across = -minor_px * math.sin(angle) * aspect, minor_px * math.cos(angle)
    # A linear map takes a circle to the ellipse whose axes are the map's singular values.
    major, minor = np.linalg.svd(np.array([along, across]), compute_uv=False)
    return float(major), float(minor)


def _touches_border(mask: Image) -> bool:
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())
