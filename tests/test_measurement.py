"""Measurements against figures known by geometry."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cornea_stream.errors import UsageError
from cornea_stream.postprocess.measurement import measure


def ellipse(
    size: tuple[int, int], center: tuple[float, float], semi: tuple[float, float], angle: float
) -> np.ndarray:
    """Rasterise by the definition, not by OpenCV."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    a = np.radians(angle)
    u = (columns - center[0]) * np.cos(a) + (rows - center[1]) * np.sin(a)
    v = (rows - center[1]) * np.cos(a) - (columns - center[0]) * np.sin(a)
    return np.where((u / semi[0]) ** 2 + (v / semi[1]) ** 2 <= 1, 255, 0).astype(np.uint8)


@pytest.mark.parametrize("angle", [0, 25, 90, 140])
def test_ellipse(angle: float) -> None:
    found = measure(ellipse((300, 400), (180, 150), (90, 60), angle))
    assert found is not None
    assert found.area_px == pytest.approx(np.pi * 90 * 60, rel=0.005)
    assert found.area_fraction == pytest.approx(found.area_px / 120000)
    assert (found.centroid_x, found.centroid_y) == pytest.approx((180, 150), abs=0.1)
    assert found.major_axis_px == pytest.approx(180, rel=0.01)
    assert found.minor_axis_px == pytest.approx(120, rel=0.01)
    assert abs((found.angle_deg - angle + 90) % 180 - 90) < 1
    assert 0 <= found.angle_deg < 180


def test_a_cut_cornea_keeps_its_true_axes() -> None:
    found = measure(ellipse((200, 400), (200, 0), (100, 80), 0))
    assert found is not None
    assert found.major_axis_px == pytest.approx(200, rel=0.03)
    assert found.minor_axis_px == pytest.approx(160, rel=0.03)


def test_empty_whole_and_tiny() -> None:
    assert measure(np.zeros((20, 30), np.uint8)) is None
    whole = measure(np.full((20, 30), 255, np.uint8))
    assert whole is not None
    assert (whole.area_fraction, whole.major_axis_px, whole.minor_axis_px) == (1, 30, 20)
    dot = np.zeros((20, 30), np.uint8)
    dot[5, 7] = 255
    found = measure(dot)
    assert found is not None
    assert (found.area_px, found.centroid_x, found.centroid_y) == (1, 7, 5)
    assert cv2.countNonZero(dot) == 1


def test_of_several_regions_the_largest_is_measured() -> None:
    size = (300, 400)
    big, ring = ellipse(size, (120, 150), (60, 50), 30), ellipse(size, (320, 150), (70, 70), 0)
    ring -= ellipse(size, (320, 150), (60, 60), 0)  # of a wider outline, and fewer pixels
    island = ellipse(size, (320, 150), (10, 10), 0)
    alone = measure(big)
    assert alone is not None
    assert measure(big | ring | island) == alone
    assert alone.centroid_x == pytest.approx(120, abs=0.1)
    whole = measure(ring)
    assert whole is not None
    assert measure(ring | island) == whole
    assert whole.area_px == np.count_nonzero(ring)


def test_bool_masks_are_taken_and_others_are_named() -> None:
    mask = ellipse((300, 400), (180, 150), (90, 60), 25)
    assert measure(mask > 0) == measure(mask) == measure(mask // 255)
    for wrong in (np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.float32), np.zeros(4, bool)):
        with pytest.raises(UsageError, match=r"mask must be \(H, W\)"):
            measure(wrong)
    with pytest.raises(UsageError, match="mask cannot be of type list: give"):
        measure([[0, 255]])  # type: ignore[arg-type]
