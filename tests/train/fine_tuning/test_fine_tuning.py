"""Fine-tuning on few frames: measured against the start, and never worse."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TINY_SPEC

from cornea_stream.models.checkpoint import load_checkpoint, save_checkpoint
from cornea_stream.models.pspnet import build_pspnet
from cornea_train.config import TrainConfig
from cornea_train.trainer import Trainer, best_row, train

from .conftest import MEAN, STD


def test_the_input_is_that_of_the_start_and_the_result_is_better(tuning: TrainConfig) -> None:
    history = train(replace(tuning, epochs=8))
    assert [row["epoch"] for row in history] == list(range(9))
    assert history[-1]["val_iou"] > history[0]["val_iou"] + 0.2
    best = load_checkpoint(tuning.output_dir / "best_model.pth")
    spec = best.spec
    assert (spec.image_size, spec.mean, spec.std) == (TINY_SPEC.image_size, MEAN, STD)
    assert best.metadata["metrics"] == best_row(history)
    with (tuning.output_dir / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == list("012345678")
    assert rows[0]["train_loss"] == ""
    assert float(rows[0]["val_iou"]) == pytest.approx(history[0]["val_iou"], rel=1e-6)
    assert (tuning.output_dir / "training_results.png").stat().st_size > 10_000


def test_where_no_epoch_is_better_the_start_stays_the_best(
    tuning: TrainConfig, start: Path
) -> None:
    history = train(replace(tuning, lr=0.0, min_lr=0.0, freeze_norm=True, epochs=9, patience=2))
    assert best_row(history) is history[0]
    assert history[-1]["epoch"] == 2  # it stops early
    best = load_checkpoint(tuning.output_dir / "best_model.pth").state_dict
    given = load_checkpoint(start).state_dict
    assert all(torch.equal(value, given[name]) for name, value in best.items())


@pytest.mark.parametrize(("ious", "best"), [((0.5, 0.7, 0.6, 0.7), 1), ((0.9, 0.5, 0.6, 0.7), 0)])
def test_the_best_weights_are_those_of_the_best_epoch(
    tuning: TrainConfig, start: Path, monkeypatch: pytest.MonkeyPatch, ious: Any, best: int
) -> None:
    left = iter(ious)
    monkeypatch.setattr(Trainer, "_scores", lambda _: {
        "val_loss": 0.1, "val_iou": next(left), "val_dice": 0.1,
    })  # fmt: skip
    train(replace(tuning, mix_generated=0.0, keep_last=None))
    folder = tuning.output_dir
    files = [start, *(folder / f"model_epoch_{epoch}.pth" for epoch in (1, 2, 3))]
    kept = load_checkpoint(folder / "best_model.pth").state_dict
    same = [
        all(torch.equal(value, kept[name]) for name, value in load_checkpoint(f).state_dict.items())
        for f in files
    ]
    assert [number for number, is_same in enumerate(same) if is_same] == [best]


@pytest.mark.parametrize("frozen", [True, False])
def test_batch_norm_stays_fixed_if_wanted(tuning: TrainConfig, start: Path, frozen: bool) -> None:
    train(replace(tuning, epochs=1, freeze_norm=frozen))
    before = load_checkpoint(start).state_dict
    after = load_checkpoint(tuning.output_dir / "model_epoch_1.pth").state_dict
    same = {name: torch.equal(value, before[name]) for name, value in after.items()}
    statistics = {name for name in same if name.endswith(("running_mean", "running_var"))}
    assert {same[name] for name in statistics} == {frozen}
    assert not same["segmentation_head.0.weight"]


@pytest.mark.parametrize("stopped_at", [0, 1])
def test_a_stopped_run_resumes_to_the_bit(tuning: TrainConfig, stopped_at: int) -> None:
    tuning = replace(tuning, mix_generated=0.5)
    expected = train(tuning)
    weights = load_checkpoint(tuning.output_dir / "model_epoch_3.pth").state_dict
    stopped = replace(tuning, output_dir=tuning.output_dir / "stopped")

    def stop(row: dict[str, float], best: bool) -> None:
        if row["epoch"] == stopped_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(stopped, stop)
    assert (stopped.output_dir / "cache").exists()
    assert train(replace(stopped, resume=True)) == expected
    resumed = load_checkpoint(stopped.output_dir / "model_epoch_3.pth").state_dict
    assert all(torch.equal(value, resumed[name]) for name, value in weights.items())


def test_a_run_that_recorded_an_encoder_it_did_not_use_resumes(tuning: TrainConfig) -> None:
    done = train(replace(tuning, epochs=1))
    path = tuning.output_dir / "training_state.pth"
    state = torch.load(path, weights_only=False)
    state["settings"] |= {"encoder_name": "resnet50", "encoder_depth": 5}
    torch.save(state, path)
    assert train(replace(tuning, epochs=1, resume=True)) == done


def test_inputs_that_are_no_squares_are_tuned(tuning: TrainConfig, tmp_path: Path) -> None:
    spec = replace(TINY_SPEC, image_size=(64, 104))
    model = build_pspnet("resnet18", psp_out_channels=spec.psp_out_channels)
    save_checkpoint(tmp_path / "wide.safetensors", model.state_dict(), spec)
    train(replace(tuning, init=tmp_path / "wide.safetensors", epochs=1))
    assert load_checkpoint(tuning.output_dir / "best_model.pth").spec.image_size == (64, 104)
