"""Outlines with fractions of a pixel enclose pixel centers: they neither grow nor move."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cornea_train.formats.shapes import enclosed

from ..conftest import annotation, mask_in, polygon


def ring(x: float, y: float, radius: float) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, 360, endpoint=False)
    return np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)


def disc(x: float, y: float, radius: float, size: tuple[int, int]) -> np.ndarray:
    rows, columns = np.mgrid[: size[0], : size[1]]
    return np.hypot(columns - x, rows - y) < radius


def test_a_fine_outline_is_the_disc_itself(tmp_path: Path) -> None:
    size = (90, 120)
    path = tmp_path / "a.json"
    path.write_text(annotation([polygon(ring(50.3, 40.7, 34.4).tolist())], 120, 90))
    drawn, true = mask_in(path, size) > 0, disc(50.3, 40.7, 34.4, size)
    assert np.count_nonzero(drawn != true) <= 2
    assert drawn.sum() == pytest.approx(np.pi * 34.4**2, rel=2e-3)


def test_whole_numbers_are_pixels_of_the_outline(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(annotation([polygon([[10, 5], [29, 5], [29, 14], [10, 14]])], 50, 40))
    assert np.count_nonzero(mask_in(path, (40, 50))) == 20 * 10


def test_outlines_that_leave_the_picture_are_cut(tmp_path: Path) -> None:
    assert np.array_equal(
        enclosed(ring(-3.2, 8.1, 12.5), (20, 30)), disc(-3.2, 8.1, 12.5, (20, 30))
    )
    assert np.array_equal(
        enclosed(ring(25.4, 14.6, 9.3), (20, 30)), disc(25.4, 14.6, 9.3, (20, 30))
    )
