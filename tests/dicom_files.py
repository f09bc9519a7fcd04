"""DICOM files that the tests write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Image
from numpy.typing import NDArray

from cornea_stream.sources import open_source

pydicom = pytest.importorskip("pydicom")
UNCOMPRESSED = "1.2.840.10008.1.2.1"
SECRETS = {"PatientName": "Curie^Marie", "PatientID": "PAT-4711", "StudyDate": "19031210"}


def write_dicom(path: Path, syntax: str, pixels: bytes | list[bytes], **elements: Any) -> Path:
    """Write pixel data, encapsulated if it is a list of fragments."""
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.1.1"
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = pydicom.uid.generate_uid()
    data.SamplesPerPixel, data.PhotometricInterpretation = 3, "RGB"
    data.PlanarConfiguration = data.PixelRepresentation = 0
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit = 7
    for name, value in {**SECRETS, **elements}.items():
        setattr(data, name, value)
    if isinstance(pixels, list):
        data.PixelData = pydicom.encaps.encapsulate(pixels)
        data["PixelData"].is_undefined_length = True
        data["PixelData"].VR = "OB"
    else:
        data.PixelData = pixels
    data.save_as(path, enforce_file_format=True)
    return path


def film(path: Path, pictures: list[Image], **elements: Any) -> Path:
    height, width = pictures[0].shape[:2]
    return write_dicom(
        path, UNCOMPRESSED, np.stack(pictures).tobytes(),
        Rows=height, Columns=width, NumberOfFrames=len(pictures), **elements,
    )  # fmt: skip


def gray_file(path: Path, pixels: NDArray[Any], stored: int, **elements: Any) -> Path:
    height, width = pixels.shape
    signed = int(pixels.dtype.kind == "i")
    return write_dicom(
        path, UNCOMPRESSED, pixels.tobytes(), Rows=height, Columns=width, BitsStored=stored,
        **{"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2",
           "HighBit": stored - 1, "BitsAllocated": 8 * pixels.itemsize,
           "PixelRepresentation": signed, **elements},
    )  # fmt: skip


def levels_of(path: Path) -> NDArray[np.int64]:
    """Return the gray values of the only image, from 0 to 255."""
    with open_source(path) as source:
        (frame,) = source
        return frame.rgb()[..., 0].astype(int)
