"""Outlines: few points, and the mask again when they are filled."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import disc, moving_discs, read_video, write_video
from hypothesis import given, settings
from hypothesis import strategies as st

from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.postprocess.contours import edge_outlines, pixel_outlines
from cornea_stream.postprocess.mask import iou
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source


def filled(shape: tuple[int, ...], polygons: list[np.ndarray]) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.asarray(points, np.int32) for points in polygons], 255)
    return mask


@settings(max_examples=40)
@given(
    st.integers(60, 300), st.integers(60, 200), st.integers(28, 120), st.floats(0.85, 1),
    st.integers(0, 179),
)  # fmt: skip
def test_filling_an_outline_gives_the_ellipse_again(
    x: int, y: int, semi: int, ratio: float, angle: int
) -> None:
    mask = np.zeros((260, 360), np.uint8)
    cv2.ellipse(mask, (x, y), (semi, int(semi * ratio)), angle, 0, 360, 255, cv2.FILLED)
    (points,) = pixel_outlines(mask)
    assert iou(filled(mask.shape, [points]), mask) >= 0.99
    assert len(points) <= 90
    (edge,) = edge_outlines(mask)
    area = float(cv2.contourArea(edge.astype(np.float32)))
    assert area == pytest.approx(cv2.countNonZero(mask), rel=0.02)
    assert cv2.boundingRect(mask) == pytest.approx(
        (*edge.min(axis=0), *np.ptp(edge, axis=0)), abs=2.3
    )


def test_every_region_has_an_outline_and_nothing_has_none() -> None:
    mask = disc(160, 120, 30, 30, 20)[1] | disc(160, 120, 120, 80, 22)[1]
    assert len(pixel_outlines(mask)) == len(edge_outlines(mask)) == 2
    assert iou(filled(mask.shape, pixel_outlines(mask)), mask) >= 0.99
    empty = np.zeros((20, 30), np.uint8)
    assert pixel_outlines(empty) == edge_outlines(empty) == []
    whole = np.full((20, 30), 255, np.uint8)
    assert iou(filled(whole.shape, pixel_outlines(whole)), whole) == 1


def test_a_run_writes_a_line_per_frame(tmp_path: Path, segmenter: Segmenter) -> None:
    dark = np.full((120, 160, 3), 30, np.uint8)
    path = write_video(tmp_path / "v.mp4", [*moving_discs(3), dark])
    options = RunOptions(overlay=False, mask=True, polygons=True)
    out = Path(run_source(path, tmp_path / "out", segmenter, options).folder)
    assert {p.name for p in out.iterdir()} == {"mask.mkv", "polygons.jsonl", "run.json"}
    lines = [json.loads(line) for line in (out / "polygons.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == [0, 1, 2, 3]
    assert [line["time_s"] for line in lines] == pytest.approx([0, 0.04, 0.08, 0.12])
    assert lines[3]["polygons"] == []
    for line, (_, frame) in zip(lines, read_video(out / "mask.mkv"), strict=True):
        mask = np.asarray(frame.to_ndarray(format="gray"))
        assert iou(filled(mask.shape, line["polygons"]), mask) >= 0.99
