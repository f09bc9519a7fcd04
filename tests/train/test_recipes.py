"""The recipe of the default weights: its frames, its loss, and that it goes on where it stopped."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cornea_stream.models.checkpoint import load_checkpoint
from cornea_train.recipes import default_weights
from cornea_train.recipes.frames import EMPTY_SHARE, TrainingFrames, vary
from cornea_train.recipes.run import edge_loss
from cornea_train.recipes.scores import score, summarize


def disc_frame() -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros((120, 160), np.uint8)
    cv2.ellipse(mask, (80, 60), (40, 35), 0, 0, 360, 255, cv2.FILLED)
    return np.repeat(mask[..., None], 3, axis=2), mask


def test_samples_are_decided_by_their_index() -> None:
    frames = TrainingFrames((64, 96), 3, [disc_frame()])
    later = TrainingFrames((64, 96), 3, [disc_frame()], first=5)
    for own, same in zip(frames[7], later[2], strict=True):
        assert np.array_equal(own, same)
    assert not np.array_equal(frames[0][0], TrainingFrames((64, 96), 4, [])[0][0])


def test_shares_of_frames_without_an_eye_and_of_real_ones() -> None:
    frames = TrainingFrames((32, 32), 0, [])
    empty = np.mean([not frames[i][1].any() for i in range(400)])
    assert empty == pytest.approx(EMPTY_SHARE, abs=0.04)


def test_mask_of_a_varied_frame_stays_on_its_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("paint_instruments", "paint_occluders", "paint_display"):
        monkeypatch.setattr(f"cornea_train.recipes.frames.{name}", lambda *_: None)
    monkeypatch.setattr("cornea_train.recipes.frames.develop", lambda rng, image, **_: image)
    for seed in range(20):
        image, mask = vary(np.random.default_rng(seed), disc_frame(), (96, 128))
        inside, outside = (
            cv2.erode(mask, np.ones((11, 11))) > 0,
            cv2.dilate(mask, np.ones((11, 11))) == 0,
        )
        assert image[inside].min(initial=255) > 200
        assert image[outside].max(initial=0) < 50


def test_edge_loss_sees_the_edge_alone() -> None:
    rows = torch.arange(64.0)
    target = (rows > 31.5).float().expand(1, 1, 64, 64)
    right = ((rows - 31.5) * 2).expand(1, 1, 64, 64)
    shifted, far = right.roll(3, -1), right.clone()
    far[..., :20] = 50
    assert edge_loss(shifted, target) > 2 * edge_loss(right, target)
    assert edge_loss(far, target) == pytest.approx(float(edge_loss(right, target)))
    assert edge_loss(right, torch.zeros(1, 1, 64, 64)) == 0


def test_scores_of_a_shifted_and_a_larger_mask() -> None:
    _, mask = disc_frame()
    same = score(mask, mask)
    assert (same.iou, same.size, same.edge) == (1, 1, 0)
    larger = score(cv2.dilate(mask, np.ones((9, 9))), mask)
    assert larger.size > 1.15
    assert 0.08 < larger.edge < 0.2
    nothing = score(np.zeros_like(mask), mask)
    assert nothing.iou == 0
    assert summarize([same, nothing])["below_0.80"] == 0.5


def test_training_repeats_and_goes_on(tmp_path: Path, tiny_checkpoint: Path) -> None:
    def run(name: str, images: int) -> Path:
        out = tmp_path / f"{name}.safetensors"
        default_weights.main(
            ["--out", str(out), "--start", str(tiny_checkpoint), "--size", "64x64",
             "--workers", "0", "--images", str(images), "--device", "cpu", "--validation", "1"]
        )  # fmt: skip
        return out

    first, again = run("first", 28), run("again", 28)
    weights = load_checkpoint(first)
    assert weights.metadata["images"] == 28
    for key, tensor in load_checkpoint(again).state_dict.items():
        assert torch.equal(tensor, weights.state_dict[key])
    before = {key: tensor.clone() for key, tensor in weights.state_dict.items()}
    after = load_checkpoint(run("first", 60))
    assert after.metadata["images"] >= 60
    assert after.metadata["steps"] > weights.metadata["steps"]
    assert any(not torch.equal(t, before[k]) for k, t in after.state_dict.items())
    log = [json.loads(s) for s in first.with_suffix(".progress.jsonl").read_text().splitlines()]
    assert [line["images"] for line in log] == sorted(line["images"] for line in log)
