"""Gray values of DICOM images as a display shows them: rescaled, windowed, and white for white."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

ELEMENTS = [
    "ModalityLUTSequence", "PerFrameFunctionalGroupsSequence", "PhotometricInterpretation",
    "RescaleIntercept", "RescaleSlope", "SharedFunctionalGroupsSequence", "VOILUTFunction",
    "VOILUTSequence", "WindowCenter", "WindowWidth",
]  # fmt: skip
_GROUPS = ("FrameVOILUTSequence", "PixelMeasuresSequence", "PixelValueTransformationSequence")


def flatten(data: Dataset) -> None:
    """Copy what enhanced files say of all frames, or else of the first one, to the top level."""
    for name in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in (data.get(name) or [])[:1]:
            for item in (item for kind in _GROUPS for item in (group.get(kind) or [])[:1]):
                for element in item:
                    if element.tag not in data:
                        data.add(element)


def displayed(pixels: NDArray[Any], data: Dataset) -> NDArray[np.uint16]:
    """Return (H, W) stored values as uint16 gray of the whole range.

    The first window or table in `data` applies, and without one the range of the stored bits.
    """
    from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

    black, white = _range(data)
    values = apply_modality_lut(pixels, data)
    if data.get("VOILUTSequence") or _has_window(data):
        values = apply_voi_lut(values, data)
    elif white < black:
        black, white = white, black
    share = np.clip((values.astype(np.float64) - black) / (white - black), 0, 1)
    if data.get("PhotometricInterpretation") == "MONOCHROME1":
        share = 1 - share
    return np.rint(0xFFFF * share).astype(np.uint16)


def _has_window(data: Dataset) -> bool:
    return None not in (data.get("WindowCenter"), data.get("WindowWidth"))


def _range(data: Dataset) -> tuple[float, float]:
    """Return what pydicom makes of the lowest and of the highest value."""
    for name in ("VOILUTSequence", "ModalityLUTSequence"):
        if data.get(name):
            return 0.0, 2.0 ** data[name][0].LUTDescriptor[2] - 1
    bits = int(data.BitsStored)
    lowest = -(1 << bits - 1) if data.PixelRepresentation == 1 else 0
    slope, intercept = data.get("RescaleSlope", 1), data.get("RescaleIntercept", 0)
    ends = (float(slope) * value + float(intercept) for value in (lowest, lowest + (1 << bits) - 1))
    black, white = ends
    return black, white
