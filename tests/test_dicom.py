"""DICOM: videos and images inside, their times and pixel spacing, and nothing of the patient."""

from __future__ import annotations

import csv
import itertools
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Image, disc, moving_discs, read_video, write_video
from numpy.typing import NDArray

from cornea_stream.errors import SourceError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_stream.sources import is_still, open_source

pydicom = pytest.importorskip("pydicom")
H264, HEVC, MPEG2 = (f"1.2.840.10008.1.2.4.{n}" for n in (102, 107, 100))
UNCOMPRESSED, JPEG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50"
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


@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize(
    ("codec", "container", "syntax"),
    [("libx264", "mp4", H264), ("libx264", "h264", H264), ("libx265", "mp4", HEVC),
     ("mpeg2video", "mpg", MPEG2)],
)  # fmt: skip
def test_embedded_videos(
    tmp_path: Path, codec: str, container: str, syntax: str, pieces: int
) -> None:
    options = {"bf": "0"} if container == "h264" else None
    video = write_video(
        tmp_path / f"v.{container}", moving_discs(8), codec=codec, options=options
    ) if container != "mpg" else write_mpeg(tmp_path / "v.mpg")  # fmt: skip
    content = video.read_bytes()
    cuts = [len(content) * i // pieces & ~1 for i in range(pieces + 1)]
    cuts[-1] = len(content)
    fragments = [content[a:b] for a, b in itertools.pairwise(cuts)]
    path = write_dicom(
        tmp_path / "a.dcm", syntax, fragments,
        Rows=120, Columns=160, NumberOfFrames=8, FrameTime="40",
    )  # fmt: skip
    with open_source(path) as source, open_source(video) as plain:
        frames, wanted = list(source), list(plain)
        assert source.info.kind == "video"
        assert len(frames) == len(wanted) == 8
        for frame, same in zip(frames, wanted, strict=True):
            assert frame.time_s == pytest.approx(same.time_s, abs=1e-3)
            assert (frame.rgb() == same.rgb()).all()


def write_mpeg(path: Path) -> Path:
    return write_video(path, moving_discs(8), codec="mpeg2video", time_base=Fraction(1, 25))


def test_raw_streams_have_the_rate_of_the_file(tmp_path: Path) -> None:
    options = {"bf": "0", "x264-params": "force-cfr=0"}
    raw = write_video(tmp_path / "v.h264", moving_discs(4), options=options).read_bytes()
    path = write_dicom(
        tmp_path / "a.dcm", H264, [raw + b"\0" * (len(raw) % 2)],
        Rows=120, Columns=160, NumberOfFrames=4, FrameTime="100",
    )  # fmt: skip
    with open_source(path) as source:
        assert [round(frame.time_s, 3) for frame in source] == [0, 0.1, 0.2, 0.3]


def test_films_and_single_images(tmp_path: Path, segmenter: Segmenter) -> None:
    pictures = moving_discs(5)
    path = film(tmp_path / "film.dcm", pictures, FrameTime="33.33")
    with open_source(path) as source:
        frames = list(source)
        assert source.info.rate == 30
    assert [round(frame.time_s, 4) for frame in frames] == [0, 0.0333, 0.0667, 0.1, 0.1333]
    for frame, picture in zip(frames, pictures, strict=True):
        assert (frame.rgb() == picture).all()
    single = film(tmp_path / "single", pictures[:1])  # DICOM files often have no suffix
    assert is_still(single)
    result = run_source(single, tmp_path / "out", segmenter)
    assert "overlay.png" in result.outputs


def test_frame_times_that_differ(tmp_path: Path) -> None:
    path = film(tmp_path / "a.dcm", moving_discs(4), FrameTimeVector=["0", "40", "100", "40"])
    with open_source(path) as source:
        assert [round(frame.time_s, 3) for frame in source] == [0, 0.04, 0.14, 0.18]


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


@pytest.mark.parametrize("stored", [8, 12, 16])
def test_colors_have_their_whole_range(tmp_path: Path, stored: int) -> None:
    picture = disc(160, 120, 60, 60, 30)[0]
    deep = picture.astype(np.uint8 if stored == 8 else np.uint16) << (stored - 8)
    path = write_dicom(
        tmp_path / "a.dcm", UNCOMPRESSED, deep.tobytes(), Rows=120, Columns=160,
        BitsStored=stored, HighBit=stored - 1, BitsAllocated=8 * deep.itemsize,
    )  # fmt: skip
    with open_source(path) as source:
        (frame,) = source
        assert (frame.rgb() == picture).all()


def test_uncompressed_ybr(tmp_path: Path) -> None:
    from pydicom.pixels.processing import convert_color_space

    picture = disc(160, 120, 60, 60, 30)[0]
    stored = convert_color_space(picture, "RGB", "YBR_FULL")
    path = film(tmp_path / "a.dcm", [stored], PhotometricInterpretation="YBR_FULL")
    with open_source(path) as source:
        (frame,) = source
        assert np.abs(frame.rgb().astype(int) - picture).max() <= 2


def test_palettes(tmp_path: Path) -> None:
    index = np.arange(64 * 48).reshape(48, 64).astype(np.uint8)
    tables = {}
    for color, table in (("Red", range(256)), ("Green", range(255, -1, -1)), ("Blue", [7] * 256)):
        tables[f"{color}PaletteColorLookupTableDescriptor"] = [256, 0, 8]
        tables[f"{color}PaletteColorLookupTableData"] = bytes(table)
    path = write_dicom(
        tmp_path / "a.dcm", UNCOMPRESSED, index.tobytes(), Rows=48, Columns=64,
        SamplesPerPixel=1, PhotometricInterpretation="PALETTE COLOR", **tables,
    )  # fmt: skip
    with open_source(path) as source:
        (found,) = (frame.rgb() for frame in source)
    assert (found == np.dstack((index, 255 - index, np.full_like(index, 7)))).all()


def test_jpegs_inside(tmp_path: Path) -> None:
    import cv2

    pictures = moving_discs(3)
    jpegs = [cv2.imencode(".jpg", p[..., ::-1])[1].tobytes() for p in pictures]
    path = write_dicom(
        tmp_path / "a.dcm", JPEG, [jpeg + b"\0" * (len(jpeg) % 2) for jpeg in jpegs],
        Rows=120, Columns=160, NumberOfFrames=3, PhotometricInterpretation="YBR_FULL_422",
    )  # fmt: skip
    with open_source(path) as source:
        for frame, picture in zip(source, pictures, strict=True):
            assert np.abs(frame.rgb().astype(int) - picture).mean() < 3


@pytest.mark.parametrize("kind", ["video", "film", "gray"])
def test_pixel_spacing_gives_millimeters_and_no_patient(
    tmp_path: Path, segmenter: Segmenter, kind: str
) -> None:
    pictures = [disc(160, 120, 80, 60, 30)[0]] * 3
    path = tmp_path / "a.dcm"
    if kind == "film":
        film(path, pictures, PixelSpacing=["0.1", "0.1"])
    elif kind == "gray":
        gray = np.stack([picture[..., 1] for picture in pictures])
        write_dicom(
            path, UNCOMPRESSED, gray.tobytes(), Rows=120, Columns=160, NumberOfFrames=3,
            SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2",
            PixelSpacing=["0.1", "0.1"], WindowCenter="128", WindowWidth="200",
            WindowCenterWidthExplanation="Curie",
        )  # fmt: skip
    else:
        video = tmp_path / "v.mp4"
        write_video(video, pictures, prepare=lambda s: s.container.metadata.update(title="Curie"))
        content = video.read_bytes()
        write_dicom(
            path, H264, [content + b"\0" * (len(content) % 2)],
            Rows=120, Columns=160, NumberOfFrames=3, PixelSpacing=["0.1", "0.1"],
        )  # fmt: skip
    options = RunOptions(metrics=True, mask=True, polygons=True, frames=True)
    result = run_source(path, tmp_path / "out", segmenter, options)
    folder = Path(result.folder)
    with (folder / "metrics.csv").open() as file:
        for row in csv.DictReader(file):
            assert float(row["major_axis_mm"]) == pytest.approx(6, abs=0.5)
    for output in folder.rglob("*"):
        if output.is_file():
            content = output.read_bytes()
            assert not [word for word in SECRETS.values() if word.encode() in content]
            assert b"Curie" not in content


def test_without_the_extra_one_sentence_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = film(tmp_path / "a.dcm", moving_discs(2))
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(SourceError, match=r"a DICOM file: .*a\.dcm.*cornea-stream\[dicom\]"):
        open_source(path)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = film(tmp_path / "a.dcm", moving_discs(2))
    content = path.read_bytes()
    for size in (132, 140, 200, 400, len(content) - 5000):
        path.write_bytes(content[:size])
        with pytest.raises(SourceError, match=r"a\.dcm"), open_source(path, strict=True) as source:
            list(source)


def test_overlay_of_a_film_keeps_times(tmp_path: Path, segmenter: Segmenter) -> None:
    path = film(tmp_path / "a.dcm", moving_discs(4), CineRate="10")
    result = run_source(path, tmp_path / "out", segmenter)
    overlay = read_video(Path(result.folder) / "overlay.mp4")
    assert [round(time, 3) for time, _ in overlay] == [0, 0.1, 0.2, 0.3]
