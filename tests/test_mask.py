"""Logits -> mask: the network's own upsampling, the published steps, and one clean cornea."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from conftest import disc
from hypothesis import given, settings
from hypothesis import strategies as st

from cornea_stream.postprocess.mask import (
    cornea_mask,
    iou,
    logit,
    raw_mask,
    upsample_logits,
)


def logits_of(mask: np.ndarray, strength: float = 5.0) -> np.ndarray:
    return np.where(mask > 0, strength, -strength).astype(np.float32)


@settings(max_examples=25)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 90), st.integers(1, 90))
def test_upsampling_is_the_networks_own(h: int, w: int, height: int, width: int) -> None:
    logits = np.random.default_rng(h * 31 + w).normal(size=(h, w)).astype(np.float32)
    up = torch.nn.functional.interpolate(
        torch.from_numpy(logits)[None, None], (height, width), mode="bilinear", align_corners=True
    )
    np.testing.assert_allclose(upsample_logits(logits, (height, width)), up[0, 0], atol=1e-5)


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
def test_raw_mask_follows_the_published_steps(threshold: float) -> None:
    logits = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    mask, confidence = raw_mask(logits, (90, 130), threshold)
    probability = 1 / (1 + np.exp(-logits.astype(float)))
    small = (probability > threshold).astype(np.uint8) * 255
    expected = cv2.resize(small, (130, 90), interpolation=cv2.INTER_NEAREST)
    assert np.array_equal(mask, expected)
    assert confidence == pytest.approx(probability[small > 0].mean(), abs=1e-5)


def test_one_smooth_disc_remains() -> None:
    _, true = disc(128, 128, 60, 64, 35)
    logits = logits_of(true)
    logits[60:64, 55:65] = -5  # a hole
    logits[5:12, 5:12] = 5  # a speck elsewhere
    mask, confidence = cornea_mask(logits, (480, 640))
    _, expected = disc(640, 480, 302, 241, 1)
    expected = cv2.ellipse(
        np.zeros((480, 640), np.uint8), (302, 241), (175, 131), 0, 0, 360, 255, -1
    )
    assert iou(mask, expected) > 0.97
    assert mask[10:40, 20:60].max() == 0
    assert confidence > 0.95
    assert set(np.unique(mask)) == {0, 255}


def test_spurs_are_cut_and_notches_closed() -> None:
    _, true = disc(128, 128, 60, 64, 35)
    logits = logits_of(true)
    logits[60:66, 90:125] = 5  # a spur, as along an instrument
    logits[20:64, 56:61] = -5  # a notch, as under an instrument
    mask, confidence = cornea_mask(logits, (128, 128))
    assert mask[62, 110] == 0
    assert mask[40, 58] == 255
    assert iou(mask, true) > 0.95
    assert confidence > 0.9


def test_what_is_plainly_no_cornea_gives_none() -> None:
    frame = (100, 100)
    nothing = np.full((64, 64), -4, np.float32)
    speck = logits_of(disc(64, 64, 30, 30, 1.5)[1])
    strip = nothing.copy()
    strip[30:33, :] = 4
    unsure = logits_of(disc(64, 64, 30, 30, 15)[1], 0.2)
    for logits in (nothing, speck, strip, unsure):
        mask, confidence = cornea_mask(logits, frame)
        assert confidence == 0
        assert not mask.any()
    whole, confidence = cornea_mask(np.full((64, 64), 4, np.float32), frame)
    assert confidence > 0.9
    assert whole.all()


def test_a_cornea_cut_by_the_border_is_kept() -> None:
    for x, y in ((0, 32), (64, 64), (32, 0)):
        _, true = disc(64, 64, x, y, 20)
        mask, confidence = cornea_mask(logits_of(true), (64, 64))
        assert confidence > 0.9
        assert iou(mask, true) > 0.9


def test_threshold_moves_the_edge() -> None:
    rows, columns = np.mgrid[:64, :64]
    cone = (20 - np.hypot(rows - 32, columns - 32)).astype(np.float32) / 3
    areas = [np.count_nonzero(cornea_mask(cone, (64, 64), t)[0]) for t in (0.2, 0.5, 0.8)]
    assert areas[0] > areas[1] > areas[2] > 0


def test_logit_and_iou() -> None:
    assert logit(0.5) == 0
    assert logit(1.0) == np.inf
    a, b = disc(50, 50, 20, 25, 10)[1], disc(50, 50, 45, 25, 10)[1]
    assert iou(a, a) == 1
    assert iou(a, b * 0) == 0
    assert iou(a * 0, b * 0) == 1
    assert 0 <= iou(a, b) < 0.1
