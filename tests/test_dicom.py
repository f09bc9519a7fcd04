"""DICOM: videos and images inside, their times and pixel spacing, and nothing of the patient."""

from __future__ import annotations

import csv
import itertools
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conftest import disc, moving_discs, read_video, write_video
from dicom_files import SECRETS, UNCOMPRESSED, film, write_dicom

from cornea_stream.errors import SourceError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_stream.sources import is_still, open_source

H264, HEVC, MPEG2 = (f"1.2.840.10008.1.2.4.{n}" for n in (102, 107, 100))
JPEG = "1.2.840.10008.1.2.4.50"


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
