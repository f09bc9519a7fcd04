"""An outline that the network places roughly lies on the limbus that the frame shows."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cornea_stream.inference.stages import Prediction, SegmenterStages
from cornea_stream.media.frame import Image, Logits
from cornea_stream.media.image_input import as_frame
from cornea_stream.postprocess import limbus
from cornea_stream.postprocess.mask import cornea_mask, iou
from tests.conftest import BrightnessEngine
from tests.limbus_frames import AXES, CENTER, SIZE, elliptic_radius, frame_of_an_eye


def in_color(gray: Image) -> Image:
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(gray), cv2.COLOR_GRAY2RGB), np.uint8)


def logits_of(scale: float, shift: tuple[float, float], stretch: float = 1.0) -> Logits:
    """Return what a network sees that is off by so much: in radii, and pixels."""
    x, y = CENTER[0] + shift[0], CENTER[1] + shift[1]
    radius = elliptic_radius(x, y, AXES[0] * scale * stretch, AXES[1] * scale / stretch)
    return np.asarray(12 * (1 - radius), np.float32)


@pytest.mark.parametrize(("soft", "near"), [(0.01, 0.98), (0.05, 0.98), (0.15, 0.97)])
@pytest.mark.parametrize(
    ("scale", "shift", "stretch"),
    [(1.1, (0, 0), 1.0), (0.9, (0, 0), 1.0), (1.0, (6, -4), 1.0), (1.05, (-3, 3), 0.96)],
)
def test_outline_that_is_off_lies_on_the_limbus(
    scale: float, shift: tuple[float, float], stretch: float, soft: float, near: float
) -> None:
    frame, true = frame_of_an_eye(soft=soft)
    logits = logits_of(scale, shift, stretch)
    before, _ = cornea_mask(logits, SIZE)
    after, confidence = cornea_mask(logits, SIZE, 0.5, in_color(frame))
    assert iou(before, true) < 0.91
    assert iou(after, true) > near
    assert confidence == cornea_mask(logits, SIZE)[1]


def test_limbus_that_shows_in_color_alone_is_found() -> None:
    radius = elliptic_radius(*CENTER, *AXES)[..., None]
    colors = np.where(radius > 1, (190, 110, 100), (110, 130, 130)).astype(np.float64)
    colors[(radius < 0.45)[..., 0]] = 30
    noise = np.random.default_rng(0).normal(0, 2, colors.shape)
    frame = cv2.GaussianBlur(np.clip(colors + noise, 0, 255).astype(np.uint8), (0, 0), 1)
    after, _ = cornea_mask(logits_of(0.92, (4, 2)), SIZE, 0.5, np.asarray(frame, np.uint8))
    assert iou(after, np.where(radius[..., 0] <= 1, 255, 0).astype(np.uint8)) > 0.96


def test_mask_of_a_large_frame_lies_on_the_limbus_too() -> None:
    frame, _ = frame_of_an_eye()
    after, _ = cornea_mask(logits_of(1.06, (2, 2)), (1080, 1920), 0.5, in_color(frame))
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
    after, _ = cornea_mask(logits_of(1.05, (2, -1)), SIZE, 0.5, in_color(frame))
    assert iou(after, true) > 0.97


def test_limbus_that_is_hidden_over_a_third_is_found_on_the_rest() -> None:
    frame, true = frame_of_an_eye()
    cv2.circle(frame, (270, 170), 52, 150, -1)  # a finger, out of focus
    soft = cv2.GaussianBlur(frame, (0, 0), 2)
    after, _ = cornea_mask(logits_of(1.0, (-5, -4), 0.97), SIZE, 0.5, in_color(soft))
    assert iou(after, true) > 0.965


def test_outline_stays_where_nothing_can_be_seen() -> None:
    logits = logits_of(1.05, (3, 0))
    unchanged, _ = cornea_mask(logits, SIZE)
    noise = np.random.default_rng(1).integers(120, 124, SIZE).astype(np.uint8)
    for frame in (noise, *(np.full(SIZE, level, np.uint8) for level in (0, 128, 255))):
        after, _ = cornea_mask(logits, SIZE, 0.5, in_color(frame))
        np.testing.assert_array_equal(after, unchanged)


def test_outline_stays_if_the_network_would_move_it_far(monkeypatch: pytest.MonkeyPatch) -> None:
    far = np.full(60, -1.3 * limbus.MAX_SHIFT), np.ones(60)
    monkeypatch.setattr(limbus, "read_limbus", lambda *_: far)
    frame, _ = frame_of_an_eye()
    logits = logits_of(1.06, (0, 0))  # near enough to the edge to go there
    unchanged, _ = cornea_mask(logits, SIZE)
    after, _ = cornea_mask(logits, SIZE, 0.5, in_color(frame))
    np.testing.assert_array_equal(after, unchanged)


def test_one_wrong_direction_in_six_does_not_draw_the_outline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    off = np.where(np.arange(60) < 10, 0.2, 0.0)
    monkeypatch.setattr(limbus, "read_limbus", lambda *_: (off, np.ones(60)))
    flat = np.full((*SIZE, 3), 128, np.uint8)
    logits = logits_of(1.0, (0, 0))
    unchanged, _ = cornea_mask(logits, SIZE)
    assert iou(cornea_mask(logits, SIZE, 0.5, flat)[0], unchanged) > 0.98


@pytest.mark.parametrize("begin", [160, 176, 192])
def test_cornea_that_leaves_the_frame_is_found_on_the_limbus_within_it(begin: int) -> None:
    frame, true = frame_of_an_eye()
    logits = logits_of(1.05, (1, 0))
    cv2.line(frame, (230, 130), (300, 20), 255, 24)
    cut = np.s_[:, begin:]
    after, _ = cornea_mask(
        np.ascontiguousarray(logits[cut]), (256, 416 - begin), 0.5, in_color(frame[cut])
    )
    assert iou(after, np.ascontiguousarray(true[cut])) > 0.97


def stages(class_name: str, *, raw: bool = False) -> SegmenterStages:
    return SegmenterStages(BrightnessEngine(), SIZE, class_name, 0.5, raw=raw, smooth=False)


@pytest.mark.parametrize(("class_name", "raw"), [("Pupil", False), ("Cornea", True)])
def test_other_structures_and_raw_masks_stay_as_the_network_sees_them(
    class_name: str, raw: bool
) -> None:
    image = 255 - in_color(frame_of_an_eye()[0])  # what this engine sees is bright
    frame = as_frame(0, image, 0.0)
    logits = logits_of(1.06, (0, 0))
    found = stages(class_name, raw=raw).finish(Prediction(frame, image, logits)).mask
    seen = np.where(logits > 0, 255, 0).astype(np.uint8)
    assert iou(found, seen) > 0.99
    cornea = stages("Cornea").finish(Prediction(frame, image, logits)).mask
    assert iou(cornea, seen) < 0.93
