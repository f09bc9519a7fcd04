"""Millimeters: what a scale is taken from, and what it does to the measurements."""

from __future__ import annotations

import csv
import json
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from conftest import disc, moving_discs, write_video
from hypothesis import given
from hypothesis import strategies as st

from cornea_stream.errors import UsageError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.postprocess.measurement import measure
from cornea_stream.postprocess.pixel_spacing import WhiteToWhite, square_axes
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.result import RunResult
from cornea_stream.runs.run import run_source

MM = ["area_mm2", "major_axis_mm", "minor_axis_mm", "movement_mm"]


def run(
    path: Path, segmenter: Segmenter, **options: float
) -> tuple[RunResult, list[dict[str, str]]]:
    wanted = RunOptions(overlay=False, metrics=True, **options)  # type: ignore[arg-type]
    result = run_source(path, path.parent / "out", segmenter, wanted)
    with (Path(result.folder) / "metrics.csv").open() as file:
        return result, list(csv.DictReader(file))


def column(rows: list[dict[str, str]], name: str) -> list[float]:
    return [float(row[name]) for row in rows]


def test_a_given_scale_turns_pixels_into_millimeters(tmp_path: Path, segmenter: Segmenter) -> None:
    dark = np.full((120, 160, 3), 30, np.uint8)
    pictures = moving_discs(4)
    path = write_video(tmp_path / "v.mp4", [*pictures[:2], dark, *pictures[2:]])
    result, rows = run(path, segmenter, mm_per_px=0.2)
    assert list(rows[0])[-5:] == ["agreement_prev", *MM]
    assert column(rows, "area_mm2") == pytest.approx(
        [area * 0.04 for area in column(rows, "area_px")], abs=1e-3
    )
    seen = [rows[index] for index in (0, 1, 3, 4)]
    for axis in ("major", "minor"):
        assert column(seen, f"{axis}_axis_mm") == pytest.approx(
            [0.2 * length for length in column(seen, f"{axis}_axis_px")], abs=2e-3
        )
    # The disc walks 3 pixels a frame; nothing is known across the frame without a cornea.
    assert [row["movement_mm"] for row in (rows[0], rows[2], rows[3])] == ["", "", ""]
    assert column([rows[1], rows[4]], "movement_mm") == pytest.approx([0.6, 0.6], abs=0.1)
    assert rows[2]["area_mm2"] == "0.000"
    assert rows[2]["major_axis_mm"] == ""
    told = json.loads((Path(result.folder) / "run.json").read_text())["scale"]
    assert (told["mm_per_px"], told["basis"], told["frames"]) == (0.2, "given", None)


def test_white_to_white_scales_the_run_by_its_median(tmp_path: Path, segmenter: Segmenter) -> None:
    # The outer ones are cut by the border, so only the radii 26 to 28 give the scale.
    pictures = [disc(160, 120, x, 60, r)[0] for x, r in ((20, 40), (70, 26), (70, 27), (70, 28))]
    path = write_video(tmp_path / "v.mp4", pictures)
    result, rows = run(path, segmenter, white_to_white_mm=11.7)
    axes = column(rows, "major_axis_px")
    assert result.scale is not None
    assert result.scale.frames == 3
    assert result.scale.mm_per_px == pytest.approx(11.7 / axes[2], rel=1e-3)
    assert column(rows, "major_axis_mm") == pytest.approx(
        [11.7 * length / axes[2] for length in axes], rel=1e-3
    )
    assert float(rows[2]["area_mm2"]) == pytest.approx(np.pi / 4 * 11.7**2, rel=0.04)
    assert result.warnings == []
    told = json.loads((Path(result.folder) / "run.json").read_text())["scale"]
    assert told["basis"] == "white-to-white 11.7 mm"
    assert not list(Path(result.folder).glob("*.part*"))


def test_zoom_is_told(tmp_path: Path, segmenter: Segmenter) -> None:
    pictures = [disc(160, 120, 80, 60, radius)[0] for radius in np.linspace(25, 45, 12)]
    result, rows = run(write_video(tmp_path / "v.mp4", pictures), segmenter, white_to_white_mm=11.7)
    assert any("zoom" in warning for warning in result.warnings)
    assert len(rows) == 12


def test_without_a_whole_cornea_the_columns_are_empty(tmp_path: Path, segmenter: Segmenter) -> None:
    pictures = [disc(160, 120, 10, 60, 40)[0]] * 3
    result, rows = run(write_video(tmp_path / "v.mp4", pictures), segmenter, white_to_white_mm=11.7)
    assert [[row[name] for name in MM] for row in rows] == [[""] * 4] * 3
    assert any("mm_per_px" in warning for warning in result.warnings)
    assert column(rows, "area_px")[0] > 1000


@pytest.mark.parametrize("rotation", [0, 90])
@pytest.mark.parametrize("options", [{"white_to_white_mm": 12.0}, {"mm_per_px": 0.2}])
def test_pixels_that_are_not_square(
    tmp_path: Path, segmenter: Segmenter, rotation: int, options: dict[str, float]
) -> None:
    """A round eye, stored squeezed to three quarters of its width, is round in millimeters."""
    wide, _ = disc(240, 180, 120, 90, 60)
    squeezed = np.ascontiguousarray(cv2.resize(wide, (180, 180), interpolation=cv2.INTER_AREA))

    def prepare(stream: av.VideoStream) -> None:
        stream.sample_aspect_ratio = Fraction(4, 3)
        stream.set_display_rotation(rotation)

    path = write_video(tmp_path / "v.mp4", [squeezed] * 3, prepare=prepare)
    result, rows = run(path, segmenter, **options)
    major, minor = (float(rows[1][f"{name}_axis_mm"]) for name in ("major", "minor"))
    assert minor == pytest.approx(major, rel=0.04)
    assert float(rows[1]["area_mm2"]) == pytest.approx(np.pi / 4 * major * minor, rel=0.04)
    assert result.scale is not None
    assert result.scale.aspect == pytest.approx(3 / 4 if rotation else 4 / 3)
    if rotation == 0:  # pixels are as high as in the wide picture, whose disc measures 121
        assert major == pytest.approx(121 * float(result.scale.mm_per_px or 0), rel=0.04)


def test_movement_counts_the_width_of_pixels(tmp_path: Path, segmenter: Segmenter) -> None:
    def prepare(stream: av.VideoStream) -> None:
        stream.sample_aspect_ratio = Fraction(2)

    path = write_video(tmp_path / "v.mp4", moving_discs(3), prepare=prepare)
    _, rows = run(path, segmenter, mm_per_px=0.1)
    assert column(rows[1:], "movement_mm") == pytest.approx([0.6, 0.6], abs=0.1)


@given(
    st.floats(10, 500), st.floats(0.1, 1), st.floats(0, 180), st.sampled_from([0.5, 0.75, 1, 1.6])
)
def test_square_axes_are_those_of_the_stretched_ellipse(
    major: float, ratio: float, angle_deg: float, aspect: float
) -> None:
    t = np.linspace(0, 2 * np.pi, 20001)
    angle = np.radians(angle_deg)
    u, v = major / 2 * np.cos(t), major * ratio / 2 * np.sin(t)
    radius = np.hypot(aspect * (u * np.cos(angle) - v * np.sin(angle)),
                      u * np.sin(angle) + v * np.cos(angle))  # fmt: skip
    wanted = 2 * radius.max(), 2 * radius.min()
    assert square_axes(major, major * ratio, angle_deg, aspect) == pytest.approx(wanted, rel=1e-4)


def test_only_sure_whole_and_roundish_corneas_count() -> None:
    def note(found_by: WhiteToWhite, mask: np.ndarray, confidence: float = 0.95) -> int | None:
        found = measure(mask)
        assert found is not None
        found_by.note(found_by.axis(mask, found, confidence))
        return found_by.scale().frames

    round_one = disc(160, 120, 80, 60, 30)[1]
    flat = np.zeros((120, 160), np.uint8)
    cv2.ellipse(flat, (80, 60), (40, 20), 0, 0, 360, 255, cv2.FILLED)
    scale = WhiteToWhite(11.7)
    assert note(scale, round_one, 0.8) == 0
    assert note(scale, flat) == 0
    for x, y in ((20, 60), (140, 60), (80, 20), (80, 100)):
        assert note(scale, disc(160, 120, x, y, 30)[1]) == 0
    assert note(scale, round_one) == 1
    assert note(WhiteToWhite(11.7, aspect=0.5), np.hstack([flat, flat[:, :80] * 0])) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"white_to_white_mm": 11.7, "mm_per_px": 0.02, "metrics": True}, "two scales"),
        ({"white_to_white_mm": 117, "metrics": True}, "between 5 and 20: 117: try 11.7"),
        ({"mm_per_px": 0.0, "metrics": True}, "above 0"),
        ({"mm_per_px": float("nan"), "metrics": True}, "above 0"),
        ({"white_to_white_mm": 11.7}, "add metrics"),
    ],
)
def test_scales_that_make_no_sense(options: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        RunOptions(**options).check()  # type: ignore[arg-type]
