"""An outline goes onto the steepest rise of brightness nearby, if enough of it can be seen."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cornea_stream.media.frame import Image
from cornea_stream.postprocess.limbus_edge import on_edge
from cornea_stream.postprocess.unroll import directions_of
from tests.limbus_frames import AXES, CENTER, SIZE, elliptic_radius, frame_of_an_eye

COUNT = 180
AROUND = directions_of(COUNT)


def distances(scale: float, stretch: float = 1.0) -> np.ndarray:
    """Return how far an ellipse reaches that has other axes than the limbus."""
    return 1 / np.hypot(*(AROUND / [AXES[0] * scale * stretch, AXES[1] * scale / stretch]).T)


def moved(
    frame: Image, scale: float = 1.0, shift: tuple[float, float] = (0, 0), stretch: float = 1.0
) -> np.ndarray:
    """Return distances on the edge, of an outline that is off by so much."""
    center, seen = np.add(CENTER, shift), np.ones(COUNT, bool)
    return on_edge(frame, center, AROUND, distances(scale, stretch), seen)


def off(found: np.ndarray, shift: tuple[float, float] = (0, 0)) -> float:
    """Return how far distances are off the limbus, as the 95th percentile in radii."""
    x, y = (np.add(CENTER, shift) + found[:, None] * AROUND).T
    off_axes = np.hypot((x - CENTER[0]) / AXES[0], (y - CENTER[1]) / AXES[1])
    return float(np.percentile(np.abs(off_axes - 1), 95))


@pytest.mark.parametrize(("soft", "near"), [(0.01, 0.015), (0.05, 0.02), (0.1, 0.033)])
@pytest.mark.parametrize(
    ("scale", "shift", "stretch"),
    [(1.035, (0, 0), 1.0), (0.965, (0, 0), 1.0), (1.0, (2, -1), 1.0), (1.02, (-1, 1), 0.985)],
)
def test_outline_that_is_off_lies_on_the_edge(
    scale: float, shift: tuple[float, float], stretch: float, soft: float, near: float
) -> None:
    frame, _ = frame_of_an_eye(soft=soft)
    assert off(distances(scale, stretch), shift) > 0.03
    assert off(moved(frame, scale, shift, stretch), shift) < near


@pytest.mark.parametrize("value", [0, 128, 255])
def test_instrument_across_the_limbus_does_not_draw_the_outline(value: int) -> None:
    frame, _ = frame_of_an_eye()
    cv2.line(frame, (230, 130), (300, 20), value, 24)
    assert off(moved(frame, 1.03, (1, -1)), (1, -1)) < 0.02


def test_bright_swab_along_the_limbus_draws_no_more_than_the_limbus_itself() -> None:
    frame, _ = frame_of_an_eye(contrast=25)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    radius = elliptic_radius(*CENTER, *AXES)
    beside = np.abs(np.arctan2(rows - CENTER[1], columns - CENTER[0])) < np.radians(50)
    frame[beside & (radius > 1.08) & (radius < 1.5)] = 255
    assert off(moved(frame, 1.0, (2, 0)), (2, 0)) < 0.05


def test_bright_ring_inside_the_limbus_is_not_taken_for_it() -> None:
    frame, _ = frame_of_an_eye()
    radius = elliptic_radius(*CENTER, *AXES)
    frame[(radius > 0.8) & (radius < 0.92)] = 160
    assert off(moved(frame, 0.97, (1, 0)), (1, 0)) < 0.02


def test_outline_stays_where_nothing_can_be_seen() -> None:
    noise = np.random.default_rng(1).integers(120, 124, SIZE).astype(np.uint8)
    for frame in (noise, *(np.full(SIZE, level, np.uint8) for level in (0, 128, 255))):
        np.testing.assert_array_equal(moved(frame, 1.05, (3, 0)), distances(1.05))


@pytest.mark.parametrize("place", [0.92, 1.06, 1.1])
@pytest.mark.parametrize("degrees", [60, 90])
def test_edge_over_part_of_the_circle_does_not_draw_a_limbus_that_cannot_be_seen(
    place: float, degrees: float
) -> None:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    angle = np.arctan2((rows - CENTER[1]) / AXES[1], (columns - CENTER[0]) / AXES[0])
    bright = (elliptic_radius(*CENTER, *AXES) > place) & (np.abs(angle) < np.radians(degrees / 2))
    noise = np.random.default_rng(0).normal(0, 1, SIZE)
    frame = np.clip(120 + 20 * bright + noise, 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(moved(frame), distances(1.0))


@pytest.mark.parametrize("scale", [0.72, 0.88, 1.15, 1.4])
def test_edge_far_from_the_outline_is_not_the_limbus(scale: float) -> None:
    frame, _ = frame_of_an_eye()
    np.testing.assert_allclose(moved(frame, scale), distances(scale), rtol=0.02)
