"""What Pillow leaves to its users in TIFF files: pages, ranges, and samples that it misreads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cornea_stream.errors import SourceError

# Tags of TIFF 6.0.
_SUBFILE_TYPE, _BITS_PER_SAMPLE, _PHOTOMETRIC = 254, 258, 262
_MAX_SAMPLE_VALUE, _PLANES, _SAMPLE_FORMAT = 281, 284, 339
_REDUCED_OR_MASK = 1 | 4
_UNSIGNED_OR_UNDEFINED = (1, 4)


def pages(image: Image.Image) -> list[int]:
    """Return the pages of a file of any format, without the thumbnails and masks of TIFF."""
    count = getattr(image, "n_frames", 1)
    if image.format != "TIFF" or count == 1:
        return list(range(count))
    found = []
    for page in range(count):
        image.seek(page)
        if not _tag(image, _SUBFILE_TYPE, 0) & _REDUCED_OR_MASK:
            found.append(page)
    return found or list(range(count))


def check_samples(image: Image.Image, path: Path) -> None:
    """Raise SourceError for samples that Pillow would take for others."""
    kind = None
    if _tag(image, _SAMPLE_FORMAT, 1) not in _UNSIGNED_OR_UNDEFINED:
        kind = "signed or floating-point"
    elif _tag(image, _PLANES, 1) == 2 and _tag(image, _BITS_PER_SAMPLE, 8) > 8:
        kind = "16-bit planar"
    if kind:
        raise SourceError(f"{kind} samples: {path}: convert it to 8-bit PNG")


def whole_range(image: Image.Image) -> NDArray[np.uint16]:
    """Return 16-bit gray from black to white, also if the file declares fewer bits."""
    gray = np.asarray(image).astype(np.uint16)
    bits = _tag(image, _BITS_PER_SAMPLE, 16)
    highest = min(_tag(image, _MAX_SAMPLE_VALUE, 0xFFFF), (1 << bits) - 1)
    if 0 < highest < 0xFFFF and gray.max(initial=0) <= highest:
        gray = (gray.astype(np.uint32) * 0xFFFF // highest).astype(np.uint16)
    white_is_zero = _tag(image, _PHOTOMETRIC, 1) == 0
    return np.asarray(0xFFFF - gray if white_is_zero else gray, np.uint16)


def _tag(image: Image.Image, number: int, default: int) -> int:
    """Return the value of a tag, the highest of several; the default for other formats."""
    found = getattr(image, "tag_v2", {}).get(number, default)
    return int(np.max(found))
