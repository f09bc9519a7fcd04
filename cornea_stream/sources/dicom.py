"""DICOM files: embedded videos and images, without anything about the patient.

Only the elements that describe the pixels are read. Needs the extra `dicom`.
"""

from __future__ import annotations

import bisect
import io
import itertools
import struct
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cornea_stream.errors import SourceError
from cornea_stream.sources.dicom_gray import ELEMENTS as GRAY_ELEMENTS
from cornea_stream.sources.dicom_gray import displayed, flatten

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

SUFFIXES = frozenset({".dcm", ".dicom"})
_VIDEO_SYNTAXES = "1.2.840.10008.1.2.4.10"  # .100 to .108: MPEG-2, H.264 and HEVC (PS3.5, 10)
_DESCRIBING_PIXELS = [
    "BitsStored", "CineRate", "Columns", "FrameTime", "FrameTimeVector", "ImagerPixelSpacing",
    "NumberOfFrames", "PerFrameFunctionalGroupsSequence", "PixelSpacing",
    "RecommendedDisplayFrameRate", "Rows", "SharedFunctionalGroupsSequence",
]  # fmt: skip
_GRAY = ["BitsStored", "PixelRepresentation", *GRAY_ELEMENTS]
_PALETTE = ["PhotometricInterpretation"] + [
    f"{segmented}{color}PaletteColorLookupTable{part}"
    for color in ("Red", "Green", "Blue")
    for segmented, part in (("", "Descriptor"), ("", "Data"), ("Segmented", "Data"))
]
_USUAL_RATES = (*map(Fraction, (24, 25, 30, 50, 60)), *(Fraction(n, 1001) for n in (30000, 60000)))


@dataclass(frozen=True, slots=True)
class Spacing:
    """Height and width of a pixel in millimeters."""

    height_mm: float
    width_mm: float

    @property
    def aspect(self) -> Fraction | None:
        """Pixel aspect ratio (width / height), or None if pixels are square."""
        ratio = Fraction(self.width_mm / self.height_mm).limit_denominator(1000)
        return None if ratio == 1 else ratio


@dataclass(frozen=True, slots=True)
class DicomHeader:
    """What a DICOM file says about its pixels."""

    is_video: bool
    count: int
    width: int
    height: int
    rate: Fraction | None
    durations_s: list[float]
    spacing: Spacing | None


def is_dicom(path: Path) -> bool:
    """Whether a file has the mark of DICOM."""
    try:
        with path.open("rb") as file:
            file.seek(128)
            return file.read(4) == b"DICM"
    except OSError:
        return False


def read_header(path: Path) -> DicomHeader:
    """Return the description of the pixels. Raises SourceError."""
    pydicom = _import(path)
    try:
        return _header(_read(path, _DESCRIBING_PIXELS))
    except _errors(pydicom) as err:
        raise SourceError(f"damaged DICOM file: {path}: copy it again") from err


def _header(data: FileDataset) -> DicomHeader:
    flatten(data)
    return DicomHeader(
        is_video=str(data.file_meta.TransferSyntaxUID).startswith(_VIDEO_SYNTAXES),
        count=int(data.get("NumberOfFrames") or 1),
        width=int(data.get("Columns", 0)),
        height=int(data.get("Rows", 0)),
        rate=_rate(data),
        durations_s=_durations(data),
        spacing=_spacing(data),
    )


def read_images(path: Path) -> Generator[NDArray[np.uint8] | NDArray[np.uint16], None, None]:
    """Yield the images: (H, W, 3) uint8 RGB, or (H, W) uint16 gray of the whole range.

    Raises SourceError.
    """
    pydicom = _import(path)
    from pydicom.pixels.processing import apply_color_lut
    from pydicom.pixels.utils import iter_pixels

    try:
        data = _read(path, [*_GRAY, *_PALETTE])
        flatten(data)
        for pixels in iter_pixels(path):
            if data.get("PhotometricInterpretation") == "PALETTE COLOR":
                pixels = apply_color_lut(pixels, data)
            yield displayed(pixels, data) if pixels.ndim == 2 else _in_8_bits(pixels, data)
    except _errors(pydicom) as err:
        raise SourceError(
            f"images of this DICOM file cannot be decoded: {path}: it is damaged, or compressed in "
            "a way that needs pylibjpeg: convert it to an uncompressed one"
        ) from err


class EmbeddedVideo(io.RawIOBase):
    """The video in a DICOM file, as a file; its fragments are read where they lie."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises SourceError if there is no video in the file."""
        super().__init__()
        pydicom = _import(path)
        header = read_header(path)
        if not header.is_video:
            raise SourceError(f"a DICOM file without video: {path}: give it as an image")
        self._file = path.open("rb")
        try:
            pydicom.dcmread(self._file, stop_before_pixels=True, specific_tags=["Rows"])
            self._file.seek(12, io.SEEK_CUR)  # tag, OB and the undefined length
            self._pieces = list(_items(self._file))[1:]  # the first one is a table of offsets
        except _errors(pydicom) as err:
            self._file.close()
            raise SourceError(f"damaged DICOM file: {path}: copy it again") from err
        self._begins = list(itertools.accumulate((n for _, n in self._pieces), initial=0))
        self._at = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in the video."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position in the video."""
        self._at = max(0, offset + (0, self._at, self._begins[-1])[whence])
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, from one fragment."""
        piece = bisect.bisect_right(self._begins, self._at) - 1
        if piece >= len(self._pieces):
            return b""
        inside = self._at - self._begins[piece]
        begin, length = self._pieces[piece]
        self._file.seek(begin + inside)
        most = length - inside
        content = self._file.read(most if size < 0 else min(size, most))
        self._at += len(content)
        return content

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def _items(file: io.BufferedReader) -> Iterator[tuple[int, int]]:
    """Yield begin and length of the items of encapsulated pixel data."""
    while len(head := file.read(8)) == 8:
        group, element, length = struct.unpack("<HHI", head)
        if (group, element) != (0xFFFE, 0xE000):
            return
        yield file.tell(), length
        file.seek(length, io.SEEK_CUR)


def _read(path: Path, tags: list[str]) -> FileDataset:
    found: FileDataset = _import(path).dcmread(path, stop_before_pixels=True, specific_tags=tags)
    return found


def _import(path: Path) -> Any:
    try:
        import pydicom
    except ImportError as err:
        raise SourceError(
            f"a DICOM file: {path}: to read it: pip install 'cornea-stream[dicom]'"
        ) from err
    return pydicom


def _errors(pydicom: Any) -> tuple[type[Exception], ...]:
    invalid: type[Exception] = pydicom.errors.InvalidDicomError
    usual = (OSError, ValueError, AttributeError, KeyError, TypeError, EOFError)
    return (invalid, *usual, NotImplementedError, RuntimeError)


def _rate(data: FileDataset) -> Fraction | None:
    """Return frames per second; 33.33 ms stands for 30 per second, and so on."""
    given = data.get("CineRate") or data.get("RecommendedDisplayFrameRate")
    if data.get("FrameTime"):
        given = 1000 / float(data.FrameTime)
    if not given or float(given) <= 0:
        return None
    nearest = min(_USUAL_RATES, key=lambda usual: abs(float(usual) - float(given)))
    if abs(float(nearest) / float(given) - 1) < 3e-4:
        return nearest
    return Fraction(float(given)).limit_denominator(1000)


def _durations(data: FileDataset) -> list[float]:
    """Return how long each image but the last is shown, if that differs."""
    steps = data.get("FrameTimeVector") or []
    return [float(step) / 1000 for step in steps[1:]] if len(steps) > 1 else []


def _spacing(data: FileDataset) -> Spacing | None:
    found = data.get("PixelSpacing") or data.get("ImagerPixelSpacing")
    if not found or len(found) != 2 or min(map(float, found)) <= 0:
        return None
    return Spacing(float(found[0]), float(found[1]))


def _in_8_bits(pixels: NDArray[Any], data: FileDataset) -> NDArray[np.uint8]:
    """Return (H, W, 3) colors; those of a palette have 8 or 16 bits, others the bits stored."""
    palette = data.get("PhotometricInterpretation") == "PALETTE COLOR"
    bits = 8 * pixels.itemsize if palette else int(data.BitsStored)
    return np.ascontiguousarray(pixels[..., :3] >> max(0, bits - 8), np.uint8)
