"""Smoothing over time: less flicker, no lag, nothing across cuts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from conftest import disc, moving_discs

from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.postprocess.smoothing import WEIGHTS, is_cut, smoothed


def cone(x: float, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    rows, columns = np.mgrid[:32, :64].astype(np.float32)
    field = 9 - np.hypot(columns - x, rows - 16)
    return (field + np.random.default_rng(seed).normal(0, noise, field.shape)).astype(np.float32)


def smooth(sequence: list[np.ndarray]) -> list[np.ndarray]:
    return [x for _, x in smoothed(enumerate(sequence), lambda p: p[1], lambda p, x: (p[0], x))]


def centroid(logits: np.ndarray) -> float:
    return float(np.nonzero(logits > 0)[1].mean())


@pytest.mark.parametrize("count", range(8))
def test_every_item_once_in_order(count: int) -> None:
    items = [(i, cone(20)) for i in range(count)]
    found = list(smoothed(items, lambda p: p[1], lambda p, x: (p[0], x)))
    assert [index for index, _ in found] == list(range(count))


def test_the_window_is_the_weighted_mean() -> None:
    sequence = [cone(20, 0.3, seed) for seed in range(9)]
    found = smooth(sequence)
    expected = np.average(sequence[2:7], axis=0, weights=WEIGHTS)
    np.testing.assert_allclose(found[4], expected, atol=1e-5)
    np.testing.assert_allclose(
        found[0], np.average(sequence[:3], axis=0, weights=WEIGHTS[2:]), atol=1e-5
    )


def test_flicker_shrinks() -> None:
    noisy = [cone(20, 1.5, seed) for seed in range(30)]
    steady = smooth(noisy)

    def changes(sequence: list[np.ndarray]) -> float:
        pairs = pairwise(sequence)
        return float(np.mean([np.count_nonzero((a > 0) != (b > 0)) for a, b in pairs]))

    assert changes(steady) < 0.5 * changes(noisy)


def test_a_moving_eye_is_not_trailed() -> None:
    sequence = [cone(12 + 1.5 * i) for i in range(25)]
    for before, after in zip(sequence, smooth(sequence), strict=True):
        assert centroid(after) == pytest.approx(centroid(before), abs=1.6)
    inner = slice(4, -4)
    lag = [centroid(a) - centroid(b) for a, b in zip(smooth(sequence), sequence, strict=True)]
    assert abs(np.mean(lag[inner])) < 0.1


def test_nothing_crosses_a_cut() -> None:
    first, second, none = [cone(15)] * 5, [cone(45)] * 5, [np.full((32, 64), -5, np.float32)] * 5
    sequence = first + second + none + first
    assert is_cut(first[0], second[0])
    assert is_cut(first[0], none[0])
    assert not is_cut(none[0], none[1])
    for before, after in zip(sequence, smooth(sequence), strict=True):
        np.testing.assert_allclose(after, before, atol=1e-5)


def test_a_stream_with_smoothing_has_all_frames(segmenter: Segmenter) -> None:
    segmenter.smooth = True
    found = list(segmenter.stream(moving_discs(9)))
    assert [s.frame.index for s in found] == list(range(9))
    assert all(s.present for s in found)


def test_images_of_a_list_are_no_sequence(segmenter: Segmenter) -> None:
    eyes = [disc(160, 120, 70, 60, 28)[0], disc(160, 120, 75, 60, 34)[0]]
    segmenter.smooth = True
    for found, eye in zip(segmenter.predict(eyes), eyes, strict=True):
        assert np.array_equal(found.mask, segmenter(eye).mask)
