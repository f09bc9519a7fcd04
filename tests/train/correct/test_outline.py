"""Outlines: their pixels, the outline of a mask, and their JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cornea_stream.postprocess.mask import iou
from cornea_train.correct.outline import (
    BadOutlineError,
    Ellipse,
    NoCornea,
    Outline,
    Polygon,
    from_json,
    outline_of,
    to_json,
)

from .conftest import ELLIPSE, SIZE, by_definition


def test_the_pixels_of_an_ellipse() -> None:
    for x, y in ((80.5, 60.25), (5, 118), (-20, 60)):
        ellipse = replace(ELLIPSE, x=x, y=y)
        assert np.array_equal(ellipse.mask(SIZE), by_definition(ellipse, SIZE))


def test_the_pixels_of_a_polygon() -> None:
    square = Polygon(((2.4, 3.6), (9.4, 3.6), (9.4, 7.5), (2.4, 7.5)))
    expected = np.zeros((12, 12), np.uint8)
    expected[4:7, 2:9] = 255
    assert np.array_equal(square.mask((12, 12)), expected)
    beyond = Polygon(((-50, -50), (500, -50), (500, 6), (-50, 6)))
    assert np.array_equal(np.flatnonzero(beyond.mask((12, 12)).all(axis=1)), np.arange(6))
    angles = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    ring = Polygon(tuple(zip(80 + 40 * np.cos(angles), 60 + 40 * np.sin(angles), strict=True)))
    assert np.count_nonzero(ring.mask(SIZE) != Ellipse(80, 60, 40, 40, 0).mask(SIZE)) < 10


@pytest.mark.parametrize(
    "ellipse", [ELLIPSE, replace(ELLIPSE, angle_deg=110), Ellipse(10, 60, 40, 38, 0)]
)
def test_the_outline_of_a_mask_covers_it(ellipse: Ellipse) -> None:
    found = outline_of(ellipse.mask(SIZE))
    assert isinstance(found, Ellipse)
    assert -45 <= found.angle_deg <= 45
    assert iou(found.mask(SIZE), ellipse.mask(SIZE)) > 0.98


def test_masks_that_are_no_ellipse_become_polygons() -> None:
    mask = np.zeros(SIZE, np.uint8)
    mask[20:100, 30:50] = mask[80:100, 30:120] = 255
    found = outline_of(mask)
    assert isinstance(found, Polygon)
    assert iou(found.mask(SIZE), mask) > 0.97
    assert outline_of(np.zeros(SIZE, np.uint8)) == NoCornea()


@pytest.mark.parametrize(
    "outline", [ELLIPSE, NoCornea(), Polygon(((1.0, 2.0), (50.0, 9.5), (7.0, 80.0)))]
)
def test_outlines_as_json(outline: Outline) -> None:
    assert from_json(json.loads(json.dumps(to_json(outline))), SIZE) == outline


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "malformed"),
        ({"kind": "circle"}, "kind is unknown"),
        ({"kind": "ellipse", "x": 1, "y": 1, "a": 5, "b": 5}, "angle_deg"),
        ({"kind": "ellipse", "x": 1, "y": 1, "a": 5, "b": 0.5, "angle_deg": 0}, "too small"),
        ({"kind": "ellipse", "x": 1, "y": float("nan"), "a": 5, "b": 5, "angle_deg": 0}, "range"),
        ({"kind": "ellipse", "x": 1e9, "y": 1, "a": 5, "b": 5, "angle_deg": 0}, "range"),
        ({"kind": "ellipse", "x": "1", "y": 1, "a": 5, "b": 5, "angle_deg": 0}, "range"),
        ({"kind": "polygon", "points": [[1, 1], [2, 2]]}, "3 to 1000 points"),
        ({"kind": "polygon", "points": [[1, 1]] * 1001}, "3 to 1000 points"),
        ({"kind": "polygon", "points": [[1, 1], [2, 2], [3]]}, "malformed"),
        ({"kind": "polygon", "points": 5}, "malformed"),
    ],
)  # fmt: skip
def test_outlines_that_are_none(content: Any, why: str) -> None:
    with pytest.raises(BadOutlineError, match=why):
        from_json(content, SIZE)
