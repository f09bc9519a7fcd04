"""Losses and metrics against scikit-learn, a hand count or a formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, jaccard_score

from cornea_train.losses import CorneaLoss, boundary_loss
from cornea_train.metrics import Overlap, Tally, bootstrap_interval, overlap, surface_distances


@pytest.fixture
def masks() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((6, 20, 30)) > 0.4, rng.random((6, 20, 30)) > 0.6


def test_overlap_agrees_with_scikit_learn(masks: tuple[np.ndarray, np.ndarray]) -> None:
    for found, true in zip(*masks, strict=True):
        agreement = overlap(found, true)
        assert agreement.iou == pytest.approx(jaccard_score(true.ravel(), found.ravel()))
        assert agreement.dice == pytest.approx(f1_score(true.ravel(), found.ravel()))


def test_tally_gives_both_kinds_of_mean(masks: tuple[np.ndarray, np.ndarray]) -> None:
    found, true = masks
    tally = Tally(torch.device("cpu"))
    for part in (slice(0, 4), slice(4, 6)):
        logits = torch.from_numpy(np.where(found[part], 3.0, -3.0))[:, None]
        target = torch.from_numpy(true[part]).float()[:, None]
        tally.add(torch.tensor(float(part.start)), logits, target)
    result = tally.result()
    each = [jaccard_score(t.ravel(), f.ravel()) for f, t in zip(found, true, strict=True)]
    assert result["iou"] == pytest.approx(np.mean(each))
    assert result["iou_pixels"] == pytest.approx(jaccard_score(true.ravel(), found.ravel()))
    assert result["dice_pixels"] == pytest.approx(f1_score(true.ravel(), found.ravel()))
    assert result["loss"] == pytest.approx((4 * 0 + 2 * 4) / 6)


def test_empty_masks_are_defined() -> None:
    empty, full = np.zeros((4, 4), bool), np.ones((4, 4), bool)
    assert (overlap(empty, empty).iou, overlap(empty, empty).dice) == (1, 1)
    assert (overlap(empty, full).iou, overlap(full, empty).dice) == (0, 0)
    assert surface_distances(empty, empty) == (0, 0)
    assert surface_distances(empty, full) == pytest.approx((np.hypot(4, 4),) * 2)
    assert surface_distances(full, full) == (0, 0)
    tally = Tally(torch.device("cpu"))
    tally.add(torch.tensor(0.5), torch.full((2, 1, 4, 4), -1.0), torch.zeros(2, 1, 4, 4))
    assert tally.result()["iou"] == tally.result()["dice_pixels"] == 1
    assert Tally(torch.device("cpu")).result()["loss"] == 0
    assert (Overlap(1, 2, 3) + Overlap(1, 0, 0)).tp == 2


def test_surface_distances_by_hand() -> None:
    a, b = np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    a[10:20, 10:20] = True
    b[10:20, 13:23] = True
    hd95, mean = surface_distances(a, b)
    assert hd95 == pytest.approx(3)
    # Directed distances of a's 36 border pixels: 10 at 3 (left side), 2·2 at 2, 2·1 by symmetry …
    near = [3.0] * 10 + [2, 2, 1, 1] + [0] * 14
    inner = [min(3, i) for i in range(1, 9)]  # a's right side, inside b, to b's outline
    assert len(near) + len(inner) == 36
    assert 0 < mean < 3
    assert surface_distances(b, a) == pytest.approx((hd95, mean))


def test_bootstrap_covers_the_mean_and_widens_with_alike_frames() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(0.9, 0.03, 60)
    low, high = bootstrap_interval(values, [str(i) for i in range(60)])
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(60), rel=0.2)
    surgeries = np.repeat(rng.normal(0.9, 0.03, 6), 10)
    alike = bootstrap_interval(surgeries, [str(i // 10) for i in range(60)])
    independent = bootstrap_interval(surgeries, [str(i) for i in range(60)])
    assert alike[1] - alike[0] > 1.8 * (independent[1] - independent[0])
    assert bootstrap_interval(values, ["one"] * 60) == pytest.approx((low, high), abs=0.01)


def test_loss_is_the_sum_of_its_formulas() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(3, 1, 8, 8), (torch.rand(3, 1, 8, 8) > 0.5).float()
    p = torch.sigmoid(logits)
    dice = torch.stack(
        [1 - 2 * (p[i] * target[i]).sum() / (p[i] + target[i]).sum() for i in range(3)]
    )
    correct = torch.where(target > 0, p, 1 - p)
    focal = (-((1 - correct) ** 2) * torch.log(correct)).mean()
    for weights in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.5, 0.5, 0.0)):
        expected = weights[0] * dice.mean() + weights[1] * focal
        assert float(CorneaLoss(*weights)(logits, target)) == pytest.approx(
            float(expected), rel=1e-4
        )
    both = CorneaLoss(0.5, 0.5, 0.25)(logits, target)
    expected = CorneaLoss()(logits, target) + 0.25 * boundary_loss(logits, target)
    assert float(both) == pytest.approx(float(expected))


def test_loss_does_not_depend_on_how_a_batch_is_dealt() -> None:
    torch.manual_seed(1)
    logits, target = torch.randn(4, 1, 8, 8), (torch.rand(4, 1, 8, 8) > 0.7).float()
    loss = CorneaLoss()
    halves = (loss(logits[:2], target[:2]) + loss(logits[2:], target[2:])) / 2
    assert float(loss(logits, target)) == pytest.approx(float(halves), rel=1e-5)


def test_boundary_loss_prefers_the_true_outline() -> None:
    target = torch.zeros(1, 1, 32, 32)
    target[..., 8:24, 8:24] = 1
    right = torch.where(target > 0, 8.0, -8.0)
    wide, narrow = torch.full_like(right, -8.0), torch.full_like(right, -8.0)
    wide[..., 4:28, 4:28] = 8
    narrow[..., 12:20, 12:20] = 8
    losses = [float(boundary_loss(x, target)) for x in (right, wide, narrow)]
    assert losses[0] < min(losses[1:])
    assert float(boundary_loss(right, torch.zeros_like(target))) == 0
