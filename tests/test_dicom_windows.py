"""Windows, scales and tables between stored and shown values of DICOM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_files import UNCOMPRESSED, gray_file, levels_of, pydicom, write_dicom

from cornea_stream.sources import open_source


@pytest.mark.parametrize(("stored", "kind"), [(8, "MONOCHROME2"), (12, "MONOCHROME2"),
                                              (16, "MONOCHROME1")])  # fmt: skip
def test_gray_has_its_whole_range(tmp_path: Path, stored: int, kind: str) -> None:
    ramp = np.linspace(0, (1 << stored) - 1, 64 * 48).reshape(48, 64)
    pixels = ramp.astype(np.uint8 if stored == 8 else np.uint16)
    path = write_dicom(
        tmp_path / "a.dcm", UNCOMPRESSED, pixels.tobytes(), Rows=48, Columns=64,
        SamplesPerPixel=1, PhotometricInterpretation=kind, BitsStored=stored, HighBit=stored - 1,
        BitsAllocated=8 * pixels.itemsize,
    )  # fmt: skip
    wanted = np.linspace(0, 255, 64 * 48).reshape(48, 64)
    with open_source(path) as source:
        (found,) = (frame.rgb() for frame in source)
    assert np.abs(found[..., 0] - (wanted if kind == "MONOCHROME2" else 255 - wanted)).max() <= 2


RAMP = np.arange(64 * 64).reshape(64, 64)  # 12 bits


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_windows(tmp_path: Path, kind: str, function: str) -> None:
    path = gray_file(
        tmp_path / "a.dcm", RAMP.astype(np.uint16), 12, WindowCenter=["1000", "9"],
        WindowWidth=["500", "9"], VOILUTFunction=function, PhotometricInterpretation=kind,
    )  # fmt: skip
    shares = {
        "LINEAR": np.clip((RAMP - 999.5) / 499 + 0.5, 0, 1),
        "LINEAR_EXACT": np.clip((RAMP - 1000) / 500 + 0.5, 0, 1),
        "SIGMOID": 1 / (1 + np.exp(-4 * (RAMP - 1000) / 500)),
    }
    wanted = 255 * (shares[function] if kind == "MONOCHROME2" else 1 - shares[function])
    assert np.abs(levels_of(path) - wanted).max() <= 2


@pytest.mark.parametrize("groups", [None, "Shared", "PerFrame"])
def test_windows_apply_to_rescaled_values(tmp_path: Path, groups: str | None) -> None:
    rescaled = {"RescaleSlope": "2", "RescaleIntercept": "-1000"}
    window = {"WindowCenter": "0", "WindowWidth": "2000"}
    elements: dict[str, Any] = rescaled | window
    if groups:  # as in enhanced multi-frame files
        group = pydicom.Dataset()
        for name, values in (
            ("PixelValueTransformationSequence", rescaled),
            ("FrameVOILUTSequence", window),
            ("PixelMeasuresSequence", {"PixelSpacing": ["0.2", "0.2"]}),
        ):
            item = pydicom.Dataset()
            for key, value in values.items():
                setattr(item, key, value)
            setattr(group, name, [item])
        elements = {f"{groups}FunctionalGroupsSequence": [group]}
    signed = (RAMP - 2048).astype(np.int16)
    path = gray_file(tmp_path / "a.dcm", signed, 12, **elements)
    wanted = 255 * np.clip((2.0 * signed - 1000 + 0.5) / 1999 + 0.5, 0, 1)
    assert np.abs(levels_of(path) - wanted).max() <= 2
    with open_source(path) as source:
        assert source.info.mm_per_px == (0.2 if groups else None)


@pytest.mark.parametrize("windowed", [False, True])
def test_a_falling_scale_is_inverted(tmp_path: Path, windowed: bool) -> None:
    elements = {"RescaleSlope": "-1", "RescaleIntercept": "4095"}
    if windowed:
        elements |= {"WindowCenter": "2048", "WindowWidth": "4096"}
    path = gray_file(tmp_path / "a.dcm", RAMP.astype(np.uint16), 12, **elements)
    assert np.abs(levels_of(path) - 255 * (1 - RAMP / 4095)).max() <= 2


@pytest.mark.parametrize(("name", "bits"), [("VOILUTSequence", 10), ("ModalityLUTSequence", 16)])
def test_tables(tmp_path: Path, name: str, bits: int) -> None:
    item = pydicom.Dataset()
    item.LUTDescriptor = [4096, 0, bits]
    table = (4095 - np.arange(4096)) * 16 >> (16 - bits)
    item.add_new("LUTData", "OW", table.astype("<u2").tobytes())
    if name == "ModalityLUTSequence":
        item.ModalityLUTType = "US"
    path = gray_file(tmp_path / "a.dcm", RAMP.astype(np.uint16), 12, **{name: [item]})
    assert np.abs(levels_of(path) - 255 * (1 - RAMP / 4095)).max() <= 2
