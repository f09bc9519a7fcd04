"""An outline that the network places roughly lies on the limbus that the frame shows."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cornea_stream.inference.stages import Prediction, SegmenterStages
from cornea_stream.media.frame import Image, Logits
from cornea_stream.media.image_input import as_frame
from cornea_stream.postprocess.mask import cornea_mask, iou
from tests.conftest import BrightnessEngine

SIZE = (256, 416)
CENTER, AXES = (210.0, 124.0), (62.0, 54.0)


def elliptic_radius(x: float, y: float, a: float, b: float) -> np.ndarray:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)
    return np.hypot((columns - x) / a, (rows - y) / b)


def frame_of_an_eye(*, soft: float = 0.02, contrast: int = 90) -> tuple[Image, Image]:
    """Return a dark iris with a darker pupil on a sclera that is brighter, and its true mask.

    Across the limbus the brightness rises from 10 to 90 % within `soft`, in radii.
    """
    radius = elliptic_radius(*CENTER, *AXES)
    sclera = 1 / (1 + np.exp(-np.clip((radius - 1) / (soft / 4.4), -50, 50)))
    iris = 1 / (1 + np.exp(-np.clip((radius - 0.5) / 0.01, -50, 50)))
    noise = np.random.default_rng(0).normal(0, 2, SIZE)
    gray = np.clip(30 + 40 * iris + contrast * sclera + noise, 0, 255)
    return gray.astype(np.uint8), np.where(radius <= 1, 255, 0).astype(np.uint8)


def logits_of(scale: float, shift: tuple[float, float], stretch: float = 1.0) -> Logits:
    """Return what a network sees that is off by so much: in radii, and pixels."""
    x, y = CENTER[0] + shift[0], CENTER[1] + shift[1]
    radius = elliptic_radius(x, y, AXES[0] * scale * stretch, AXES[1] * scale / stretch)
    return np.asarray(12 * (1 - radius), np.float32)


@pytest.mark.parametrize(("soft", "near"), [(0.01, 0.98), (0.05, 0.98), (0.15, 0.945)])
@pytest.mark.parametrize(
    ("scale", "shift", "stretch"),
    [(1.06, (0, 0), 1.0), (0.94, (0, 0), 1.0), (1.0, (4, -2), 1.0), (1.03, (-2, 2), 0.97)],
)
def test_outline_that_is_off_lies_on_the_limbus(
    scale: float, shift: tuple[float, float], stretch: float, soft: float, near: float
) -> None:
    frame, true = frame_of_an_eye(soft=soft)
    logits = logits_of(scale, shift, stretch)
    before, _ = cornea_mask(logits, SIZE)
    after, confidence = cornea_mask(logits, SIZE, 0.5, frame)
    assert iou(before, true) < 0.94
    assert iou(after, true) > near
    assert confidence == cornea_mask(logits, SIZE)[1]


def test_mask_of_a_large_frame_lies_on_the_limbus_too() -> None:
    frame, _ = frame_of_an_eye()
    after, _ = cornea_mask(logits_of(1.06, (2, 2)), (1080, 1920), 0.5, frame)
    scale = 1920 / SIZE[1], 1080 / SIZE[0]
    rows, columns = np.mgrid[:1080, :1920].astype(np.float64)
    across = ((columns + 0.5) / scale[0] - 0.5 - CENTER[0]) / AXES[0]
    down = ((rows + 0.5) / scale[1] - 0.5 - CENTER[1]) / AXES[1]
    true = np.where(np.hypot(across, down) <= 1, 255, 0).astype(np.uint8)
    assert iou(after, true) > 0.975


@pytest.mark.parametrize("value", [0, 128, 255])
def test_instrument_across_the_limbus_does_not_draw_the_outline(value: int) -> None:
    frame, true = frame_of_an_eye()
    cv2.line(frame, (230, 130), (300, 20), value, 24)
    after, _ = cornea_mask(logits_of(1.05, (2, -1)), SIZE, 0.5, frame)
    assert iou(after, true) > 0.97


def test_bright_swab_along_the_limbus_draws_no_more_than_the_limbus_itself() -> None:
    frame, true = frame_of_an_eye(contrast=25)
    x, y = CENTER
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    radius = elliptic_radius(x, y, *AXES)
    beside = np.abs(np.arctan2(rows - y, columns - x)) < np.radians(50)
    frame[beside & (radius > 1.08) & (radius < 1.5)] = 255
    after, _ = cornea_mask(logits_of(1.0, (2, 0)), SIZE, 0.5, frame)
    assert iou(after, true) > 0.965


def test_bright_ring_inside_the_limbus_is_not_taken_for_it() -> None:
    frame, true = frame_of_an_eye()
    radius = elliptic_radius(*CENTER, *AXES)
    frame[(radius > 0.8) & (radius < 0.92)] = 160
    after, _ = cornea_mask(logits_of(0.95, (1, 0)), SIZE, 0.5, frame)
    assert iou(after, true) > 0.98


def test_outline_stays_where_nothing_can_be_seen() -> None:
    logits = logits_of(1.05, (3, 0))
    unchanged, _ = cornea_mask(logits, SIZE)
    for level in (0, 128, 255):
        flat = np.full(SIZE, level, np.uint8)
        np.testing.assert_array_equal(cornea_mask(logits, SIZE, 0.5, flat)[0], unchanged)
    noise = np.random.default_rng(1).integers(120, 124, SIZE).astype(np.uint8)
    np.testing.assert_array_equal(cornea_mask(logits, SIZE, 0.5, noise)[0], unchanged)


@pytest.mark.parametrize("place", [0.92, 1.06, 1.1])
@pytest.mark.parametrize("degrees", [60, 90, 120])
def test_edge_over_part_of_the_circle_does_not_draw_a_limbus_that_cannot_be_seen(
    place: float, degrees: float
) -> None:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    angle = np.arctan2((rows - CENTER[1]) / AXES[1], (columns - CENTER[0]) / AXES[0])
    bright = (elliptic_radius(*CENTER, *AXES) > place) & (np.abs(angle) < np.radians(degrees / 2))
    noise = np.random.default_rng(0).normal(0, 1, SIZE)
    frame = np.clip(120 + 20 * bright + noise, 0, 255).astype(np.uint8)
    logits = logits_of(1.0, (0, 0))
    np.testing.assert_array_equal(
        cornea_mask(logits, SIZE, 0.5, frame)[0], cornea_mask(logits, SIZE)[0]
    )


def test_edge_far_from_the_outline_is_not_the_limbus() -> None:
    frame, _ = frame_of_an_eye()
    for scale in (0.72, 0.88, 1.15, 1.4):
        logits = logits_of(scale, (0, 0))
        unchanged, _ = cornea_mask(logits, SIZE)
        np.testing.assert_array_equal(cornea_mask(logits, SIZE, 0.5, frame)[0], unchanged)


def test_cornea_that_leaves_the_frame_is_found_on_the_limbus_within_it() -> None:
    frame, true = frame_of_an_eye()
    logits = logits_of(1.05, (1, 0))
    cv2.line(frame, (230, 130), (300, 20), 255, 24)
    cut = np.s_[:, 192:]
    after, _ = cornea_mask(
        np.ascontiguousarray(logits[cut]), (256, 224), 0.5, np.ascontiguousarray(frame[cut])
    )
    assert iou(after, np.ascontiguousarray(true[cut])) > 0.97


def stages(class_name: str, *, raw: bool = False) -> SegmenterStages:
    return SegmenterStages(BrightnessEngine(), SIZE, class_name, 0.5, raw=raw, smooth=False)


@pytest.mark.parametrize(("class_name", "raw"), [("Pupil", False), ("Cornea", True)])
def test_other_structures_and_raw_masks_stay_as_the_network_sees_them(
    class_name: str, raw: bool
) -> None:
    image = cv2.merge([frame_of_an_eye()[0]] * 3)
    frame = as_frame(0, image, 0.0)
    logits = logits_of(1.06, (0, 0))
    found = stages(class_name, raw=raw).finish(Prediction(frame, image, logits)).mask
    seen = np.where(logits > 0, 255, 0).astype(np.uint8)
    assert iou(found, seen) > 0.99
    cornea = stages("Cornea").finish(Prediction(frame, image, logits)).mask
    assert iou(cornea, seen) < 0.93
