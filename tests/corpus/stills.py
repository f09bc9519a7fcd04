"""Writes the images of the corpus: one, several pages, animations, DICOM."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pydicom
import pydicom.encaps

from .pictures import Image, paint
from .truth import Truth

SIZE = (96, 128)
_ORIENTATIONS = range(1, 9)
_TAG = 274


@dataclass(frozen=True)
class StillCase:
    """One image file to generate: `write` gets the path and the pictures as they are stored."""

    name: str
    suffix: str
    write: Callable[[Path, list[Image]], object]
    count: int = 1
    exif: int = 1
    duration_s: float = 0.04
    gray: bool = False

    @property
    def traits(self) -> dict[str, str]:
        """The case in words."""
        return {"name": self.name, "suffix": self.suffix}


def write_still(case: StillCase, path: Path) -> Truth:
    """Write the image file; return what is right for it."""
    pictures = [paint(number, *SIZE) for number in range(case.count)]
    stored = [_as_exif(picture, case.exif) for picture in pictures]
    case.write(path, stored)
    times = [index * case.duration_s for index in range(case.count)]
    return Truth(times, pictures, 1.1e-3, case.gray)


def still_cases() -> Iterator[StillCase]:
    """Yield formats, modes, compressions, orientations, pages and frames."""
    for exif in _ORIENTATIONS:
        for suffix in ("jpg", "webp", "tif", "png"):
            yield StillCase(f"exif{exif}", suffix, _pillow(exif=exif), exif=exif)
    for quality, sampling in ((95, 0), (75, 2), (60, 1)):
        yield StillCase(f"q{quality}", "jpg", _pillow(quality=quality, subsampling=sampling))
    yield StillCase("progressive", "jpg", _pillow(progressive=True))
    yield StillCase("restarts", "jpg", _pillow(restart_marker_rows=1))
    yield StillCase("gray", "jpg", _pillow("L"), gray=True)
    for mode in ("P", "RGBA", "L"):
        yield StillCase(mode, "png", _pillow(mode), gray=mode == "L")
    yield StillCase("16", "png", _write_16_bit, gray=True)
    for suffix in ("bmp", "tga", "jp2"):
        yield StillCase("rgb", suffix, _pillow())
    yield StillCase("lossless", "webp", _pillow(lossless=True))
    for suffix in ("avif", "heic"):
        yield StillCase("q80", suffix, _pillow(quality=80))
    for compression in ("raw", "tiff_lzw", "tiff_deflate", "packbits", "jpeg"):
        yield StillCase(compression, "tif", _pillow(compression=compression))
        yield StillCase(f"{compression} pages", "tiff", _pillow(compression=compression), 4)
    yield StillCase("CMYK", "tif", _pillow("CMYK"))
    yield StillCase("16", "tif", _write_16_bit, gray=True)
    for suffix in ("webp", "png", "avif"):
        yield StillCase("animated", suffix, _pillow(duration=100), 6, duration_s=0.1)
    yield StillCase("rgb", "dcm", _write_dicom)
    yield StillCase("film", "dcm", _write_dicom, 8)
    yield StillCase("jpeg film", "dcm", _write_dicom_jpeg, 8)
    yield StillCase("jpeg", "dcm", _write_dicom_jpeg)


def _pillow(
    mode: str = "RGB", exif: int = 1, **options: Any
) -> Callable[[Path, list[Image]], object]:
    def write(path: Path, stored: list[Image]) -> None:
        if path.suffix == ".heic":
            import pillow_heif

            pillow_heif.register_heif_opener()
        first, *others = (PIL.Image.fromarray(picture).convert(mode) for picture in stored)
        more: dict[str, Any] = {"save_all": True, "append_images": others} if others else {}
        if exif != 1:
            tags = PIL.Image.Exif()
            tags[_TAG] = exif
            more["exif"] = tags
        first.save(path, **options, **more)

    return write


def _as_exif(picture: Image, exif: int) -> Image:
    """Return the pixels to store, so that the orientation makes them upright."""
    undo = {
        2: lambda p: p[:, ::-1], 3: lambda p: p[::-1, ::-1], 4: lambda p: p[::-1],
        5: lambda p: p.transpose(1, 0, 2), 6: lambda p: np.rot90(p, 1),
        7: lambda p: np.rot90(p, 2).transpose(1, 0, 2), 8: lambda p: np.rot90(p, -1),
    }  # fmt: skip
    return np.ascontiguousarray(undo[exif](picture) if exif in undo else picture)


def _write_16_bit(path: Path, stored: list[Image]) -> None:
    gray = cv2.cvtColor(stored[0], cv2.COLOR_RGB2GRAY).astype(np.uint16) * 257
    cv2.imwrite(str(path), gray)


def _write_dicom(path: Path, stored: list[Image]) -> None:
    _save_dicom(path, stored, pydicom.uid.ExplicitVRLittleEndian, np.stack(stored).tobytes())


def _write_dicom_jpeg(path: Path, stored: list[Image]) -> None:
    encoded = []
    for picture in stored:
        memory = io.BytesIO()
        PIL.Image.fromarray(picture).save(memory, "JPEG", quality=90, subsampling=0)
        encoded.append(memory.getvalue())
    _save_dicom(path, stored, pydicom.uid.JPEGBaseline8Bit, pydicom.encaps.encapsulate(encoded))


def _save_dicom(path: Path, stored: list[Image], syntax: pydicom.uid.UID, pixels: bytes) -> None:
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = (
        pydicom.uid.MultiFrameTrueColorSecondaryCaptureImageStorage
    )
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    data.Rows, data.Columns = stored[0].shape[:2]
    data.SamplesPerPixel, data.PlanarConfiguration, data.PixelRepresentation = 3, 0, 0
    encapsulated = syntax.is_encapsulated
    data.PhotometricInterpretation = "YBR_FULL_422" if encapsulated else "RGB"
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit = 7
    if len(stored) > 1:
        data.NumberOfFrames, data.FrameTime = len(stored), "40"
    data.PixelData = pixels
    if encapsulated:
        data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
    data.save_as(path, enforce_file_format=True)
