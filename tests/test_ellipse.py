"""One outline of a cornea: an ellipse if most of it is one, smooth at any size."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cornea_stream.postprocess.ellipse import robust_ellipse
from cornea_stream.postprocess.mask import cornea_mask, iou
from cornea_stream.postprocess.outline import fill

SIDE, FRAME = 256, (1080, 1920)
ANGLES = np.arange(180) * 2 * np.pi / 180
DIRECTIONS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)


def ellipse_radii(ratio: float, turn: float) -> np.ndarray:
    return 1 / np.hypot(np.cos(ANGLES - turn), np.sin(ANGLES - turn) / ratio)


def stretch(middle: float, span_degrees: float) -> np.ndarray:
    """1 in the middle of a stretch of the outline, falling to 0 at its ends, and beyond."""
    away = np.abs((ANGLES - middle + np.pi) % (2 * np.pi) - np.pi)
    return np.clip(1 - away / np.radians(span_degrees / 2), 0, 1)


def eye(x: float, y: float, a: float, b: float) -> tuple[np.ndarray, np.ndarray]:
    """Return logits that fall evenly outwards, and the ellipse's true mask in the frame."""
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    radius = np.hypot((columns - x) / a, (rows - y) / b)
    logits = (12 * (1 - radius)).astype(np.float32)
    scale = FRAME[1] / SIDE, FRAME[0] / SIDE
    rows, columns = np.mgrid[: FRAME[0], : FRAME[1]].astype(np.float64)
    across = ((columns + 0.5) / scale[0] - 0.5 - x) / a
    down = ((rows + 0.5) / scale[1] - 0.5 - y) / b
    return logits, np.where(np.hypot(across, down) <= 1, 255, 0).astype(np.uint8)


@pytest.mark.parametrize("ratio", [0.56, 0.8, 1.0])
@pytest.mark.parametrize("size", [-0.4, -0.2, 0.2, 0.4])
def test_notch_or_bulge_over_a_sixth_of_the_outline_is_carried(ratio: float, size: float) -> None:
    true = ellipse_radii(ratio, 0.4)
    for middle in (0.0, 1.0, 2.5, 4.0):
        seen = true * (1 + size * stretch(middle, 60))
        found = robust_ellipse(DIRECTIONS, 50 * seen, np.ones(len(seen), bool))
        assert found is not None
        assert np.abs(found / 50 - true).max() < 0.05


def test_two_instruments_at_once_are_carried() -> None:
    true = ellipse_radii(0.8, 1.0)
    seen = true * (1 - 0.4 * stretch(0.5, 40) - 0.3 * stretch(3.0, 40))
    found = robust_ellipse(DIRECTIONS, 50 * seen, np.ones(len(seen), bool))
    assert found is not None
    assert np.abs(found / 50 - true).max() < 0.05


def test_what_is_no_ellipse_has_none() -> None:
    square = 1 / np.abs(DIRECTIONS).max(axis=1)
    assert robust_ellipse(DIRECTIONS, 50 * square, np.ones(len(square), bool)) is None
    few = np.arange(len(square)) < 12
    assert robust_ellipse(DIRECTIONS, 50 * ellipse_radii(1, 0), few) is None


@pytest.mark.parametrize("place", [(130, 120), (60.4, 130.7), (20, 128), (128, 250)])
def test_mask_at_frame_size_is_the_true_one_to_half_a_pixel(place: tuple[float, float]) -> None:
    logits, true = eye(*place, 40.3, 62.1)
    mask, confidence = cornea_mask(logits, FRAME)
    assert confidence > 0.85
    assert iou(mask, true) > 0.998
    wrong = cv2.bitwise_xor(mask, true)
    # A border wrong by half a pixel on average would be this many pixels.
    outline, _ = cv2.findContours(true, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    assert cv2.countNonZero(wrong) < 0.5 * max(map(len, outline))


def test_instrument_over_the_limbus_leaves_neither_notch_nor_step() -> None:
    logits, true = eye(130, 120, 40, 60)
    logits[150:240, 120:134] = -5
    mask, _ = cornea_mask(logits, FRAME)
    assert iou(mask, true) > 0.97
    (outline,), _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    fine = outline[:, 0].astype(np.float64)
    smooth = cv2.blur(np.tile(fine, (3, 1)), (1, 15))[len(fine) : 2 * len(fine)]
    assert np.abs(fine - smooth).max() < 1.5  # stairs of network pixels were 4 × 7 pixels


def test_lid_over_half_of_the_cornea_keeps_its_straight_edge() -> None:
    logits, _ = eye(130, 120, 60, 60)
    logits[:115] = -5
    mask, _ = cornea_mask(logits, (SIDE, SIDE))
    rows = np.flatnonzero(mask.any(axis=1))
    assert rows[0] >= 112
    assert np.count_nonzero(mask[118]) > 100


@pytest.mark.parametrize("radius", [10.3, 50.7, 301.9])
def test_filled_outline_has_its_area(radius: float) -> None:
    outline = 320.2 + radius * DIRECTIONS
    mask = fill(outline, (640, 640), (640, 640))
    assert cv2.countNonZero(mask) == pytest.approx(np.pi * radius**2, rel=0.25 / radius + 0.001)
    assert set(np.unique(mask)) == {0, 255}
