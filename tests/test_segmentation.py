"""What a result says about itself: probability, contours, tables, other libraries' formats."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import disc

from cornea_stream import OverlayStyle, Segmentation, Segmenter, measure, overlay
from cornea_stream.errors import UsageError
from cornea_stream.media.image_input import as_frame
from cornea_stream.postprocess.mask import iou
from cornea_stream.sinks import CSV_COLUMNS

RGB, MASK = disc(160, 120, 70, 60, 30)


@pytest.fixture
def found(segmenter: Segmenter) -> Segmentation:
    return segmenter(RGB)


@pytest.fixture
def nothing(segmenter: Segmenter) -> Segmentation:
    return segmenter(np.zeros_like(RGB))


def test_probability_is_high_where_the_mask_is(found: Segmentation) -> None:
    probability = found.probability
    assert (probability.shape, probability.dtype) == ((120, 160), np.float32)
    assert probability.min() >= 0
    assert probability.max() <= 1
    assert iou(np.where(probability > 0.5, 255, 0).astype(np.uint8), found.mask) > 0.93
    assert probability[found.mask > 0].mean() == pytest.approx(found.confidence, abs=0.05)


def test_a_result_of_other_origin_has_no_probability() -> None:
    made = Segmentation(as_frame(0, RGB, 0.0), MASK, 0.9)
    with pytest.raises(UsageError, match="no logits: use one"):
        _ = made.probability


def test_contours_restore_the_mask(found: Segmentation) -> None:
    canvas = np.zeros((120, 160), np.uint8)
    assert [points.dtype for points in found.contours] == [np.int32]
    cv2.fillPoly(canvas, found.contours, 255)
    assert iou(canvas, found.mask) > 0.97
    cv2.polylines(canvas, found.contours, True, 255)  # OpenCV takes them as they are


def test_the_ellipse_can_be_drawn(found: Segmentation) -> None:
    ellipse = found.ellipse
    assert ellipse is not None
    canvas = np.zeros((120, 160), np.uint8)
    cv2.ellipse(canvas, ellipse, 255, cv2.FILLED)
    assert iou(canvas, found.mask) > 0.95
    measured = found.measure()
    assert measured is not None
    assert ellipse.axes == (measured.major_axis_px, measured.minor_axis_px)
    assert ellipse.angle_deg == measured.angle_deg
    assert ellipse.center == pytest.approx((measured.centroid_x, measured.centroid_y), abs=1)


def test_without_a_cornea(nothing: Segmentation) -> None:
    assert nothing.contours == []
    assert nothing.ellipse is None
    assert nothing.measure() is None
    assert nothing.to_coco() == []
    assert "no cornea" in repr(nothing)
    row = nothing.to_dict()
    assert row["present"] is False
    assert row["area_px"] == row["area_fraction"] == 0
    assert row["major_axis_px"] is row["centroid_x"] is None


def test_a_row_has_the_columns_of_the_table(found: Segmentation) -> None:
    row = found.to_dict()
    assert list(row) == [name for name in CSV_COLUMNS if name != "agreement_prev"]
    measured = measure(found.mask)
    assert measured is not None
    assert row["area_px"] == measured.area_px == measured.to_dict()["area_px"]
    assert json.loads(json.dumps(row)) == row


def test_rows_become_a_data_frame(found: Segmentation, nothing: Segmentation) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(one.to_dict() for one in (found, nothing))
    assert table["present"].tolist() == [True, False]
    assert table["major_axis_px"].isna().tolist() == [False, True]


def test_coco_annotations_are_read_by_pycocotools(found: Segmentation) -> None:
    coco = pytest.importorskip("pycocotools.coco").COCO()
    (annotation,) = found.to_coco(image_id=7, annotation_id=3)
    coco.dataset = json.loads(json.dumps({
        "images": [{"id": 7, "height": 120, "width": 160}],
        "annotations": [annotation],
        "categories": [{"id": 1, "name": "Cornea"}],
    }))  # fmt: skip
    coco.createIndex()
    assert coco.getAnnIds(imgIds=[7]) == [3]
    assert iou(coco.annToMask(annotation) * np.uint8(255), found.mask) > 0.97
    assert annotation["area"] == np.count_nonzero(found.mask)
    assert annotation["score"] == found.confidence


def test_detections_of_supervision(found: Segmentation, nothing: Segmentation) -> None:
    pytest.importorskip("supervision")
    detections = found.to_supervision()
    assert len(detections) == 1
    np.testing.assert_array_equal(detections.mask[0], found.mask > 0)
    left, top, right, bottom = detections.xyxy[0].astype(int)
    assert np.count_nonzero(found.mask[top:bottom, left:right]) == np.count_nonzero(found.mask)
    assert found.mask[top].any()
    assert found.mask[bottom - 1].any()
    assert found.mask[:, left].any()
    assert found.mask[:, right - 1].any()
    assert detections.confidence[0] == pytest.approx(found.confidence)
    assert detections["class_name"].tolist() == ["Cornea"]
    assert len(nothing.to_supervision()) == 0


def test_without_supervision_the_package_is_named(
    found: Segmentation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(UsageError, match="needs supervision: pip install supervision"):
        found.to_supervision()


def test_it_says_shapes_and_numbers(found: Segmentation) -> None:
    text = repr(found)
    assert "frame 0 at 0.000 s, mask (120, 160) uint8" in text
    assert f"confidence {found.confidence:.2f}" in text
    assert len(text) < 150


def test_the_overlay_of_a_result_is_that_of_its_parts(found: Segmentation) -> None:
    style = OverlayStyle("#0ff", contour=True, label=False)
    np.testing.assert_array_equal(found.overlay(style), overlay(RGB, found.mask, style))
    np.testing.assert_array_equal(
        overlay(RGB[..., ::-1], found.mask > 0, style, color="bgr")[..., ::-1],
        found.overlay(style),
    )
    assert found.overlay().shape == RGB.shape
    assert not np.array_equal(found.overlay(style), RGB)


@pytest.mark.parametrize("scale", [1, 7, 255])
def test_any_value_above_zero_is_cornea(scale: int) -> None:
    painted = overlay(RGB, (MASK > 0).astype(np.uint8) * np.uint8(scale))
    np.testing.assert_array_equal(painted, overlay(RGB, MASK))
    assert (painted != RGB).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((MASK, RGB), r"mask must be \(H, W\) uint8 or bool: \(120, 160, 3\)"),
        ((RGB, None), "mask cannot be of type NoneType"),
        ((RGB, MASK[:50]), r"mask must have the size of the image: \(50, 160\) and \(120, 160\)"),
        ((RGB, MASK, "contour"), "style cannot be of type str: give an OverlayStyle"),
        ((None, MASK), "image cannot be None"),
        ((RGB, MASK.astype(float)), r"mask must be \(H, W\) uint8 or bool: .*float64"),
    ],
)
def test_wrong_arguments_of_an_overlay(arguments: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        overlay(*arguments)


def test_notebooks_show_the_frame_and_its_numbers(
    found: Segmentation, nothing: Segmentation
) -> None:
    shown = cv2.imdecode(np.frombuffer(found._repr_png_(), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert shown.shape == RGB.shape
    edge = cv2.morphologyEx(found.mask, cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
    assert (shown[edge] == (0, 255, 0)).all(axis=1).mean() > 0.3  # an outline
    assert np.abs(shown[60, 70].astype(int) - RGB[60, 70]).max() <= 1  # and no area
    html = found._repr_html_()
    assert "data:image/jpeg;base64," in html
    assert "major_axis_px" in html
    assert "<td" in html
    assert "major_axis_px" not in nothing._repr_html_()


def test_notebooks_stay_small(segmenter: Segmenter, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (2160, 3840, 3), np.uint8)
    assert len(segmenter(noise)._repr_html_()) < 500_000
