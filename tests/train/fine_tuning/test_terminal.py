"""What a run shows on the terminal, and leaves behind."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cornea_stream.cli import app
from cornea_stream.cli.training import TrainingBar, _print_result
from cornea_train.config import TrainConfig
from cornea_train.trainer import Step, Trainer, best_row, train


def test_little_is_left_behind(tuning: TrainConfig) -> None:
    train(tuning)
    names = {path.name for path in tuning.output_dir.iterdir()}
    assert names == {
        "best_model.pth", "metrics.csv", "model_epoch_3.pth", "split.json",
        "training_results.png", "training_state.pth",
    }  # fmt: skip
    assert (tuning.output_dir / "training_state.pth").stat().st_size < 20_000
    assert len(train(replace(tuning, resume=True))) == 4  # a complete run is known as such
    assert {path.name for path in tuning.output_dir.iterdir()} == names


def call(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, " ".join(result.output.split())


def options(config: TrainConfig) -> list[object]:
    return [
        "train", "--data-dir", config.data_dir, "-o", config.output_dir, "--init", config.init,
        "--epochs", 2, "--least-frames", 0, "--device", "cpu", "--precision", "fp32",
    ]  # fmt: skip


def test_the_command_compares_before_and_after(tuning: TrainConfig) -> None:
    code, output = call(*options(tuning), "--lr", 3e-3, "--no-freeze-norm")
    assert code == 0, output
    assert "starting weights" in output
    assert "Before and after (epoch" in output
    assert "generated frames, IoU" in output
    assert re.search(r"best_model\.pth [\d.]+ MB the best weights", output)
    assert re.search(r"training_state\.pth [\d.]+ kB for --resume", output)
    code, output = call(*options(tuning), "--overwrite", "--lr", 0, "--min-lr", 0)
    assert code == 0, output
    assert "No epoch beat the starting weights" in output


def test_the_table_compares_the_start_with_the_best_epoch(tuning: TrainConfig) -> None:
    rows = [(0.5, 0.6, 0.9), (0.8, 0.85, 0.85), (0.7, 0.8, 0.88)]
    history = [
        {"epoch": float(i), "val_iou": iou, "val_dice": dice, "generated_iou": generated}
        for i, (iou, dice, generated) in enumerate(rows)
    ]
    out = Console(file=io.StringIO(), width=100)
    _print_result(out, replace(tuning, epochs=9, patience=1), history)
    assert isinstance(out.file, io.StringIO)
    text = " ".join(re.sub("[│┃]", " ", out.file.getvalue()).split())
    assert "Stopped early after epoch 2: 1 brought nothing more." in text
    assert "Before and after (epoch 1)" in text
    assert "held-out frames, IoU 0.5000 0.8000 +0.3000" in text
    assert "generated frames, IoU 0.9000 0.8500 -0.0500" in text


def test_the_bar_of_a_resumed_run_goes_on_where_that_stopped(tuning: TrainConfig) -> None:
    def stop(row: dict[str, float], best: bool) -> None:
        if row["epoch"] == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tuning, stop)
    steps: list[Step] = []
    history = train(replace(tuning, resume=True), on_step=steps.append)
    best = best_row(history[:2])["val_iou"]
    count = steps[0].steps
    assert steps[: count + 1] == [
        *(Step(2, done, count, best) for done in range(1, count + 1)),
        Step(3, 1, count, best_row(history[:3])["val_iou"]),
    ]
    shown = Console(file=io.StringIO(), force_terminal=True, width=100)
    with TrainingBar(tuning, shown, quiet=False) as bar:
        for at in steps[:2]:
            bar.step(at)
    assert isinstance(shown.file, io.StringIO)
    text = shown.file.getvalue()
    assert f"epoch 2/3, step 2/{count}" in text
    assert f"best IoU {best:.4f}" in text


def test_ctrl_c_says_how_to_go_on(tuning: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    proceed = Trainer.run_epoch

    def interrupted(self: Trainer, *arguments: Any) -> dict[str, float]:
        if self.epoch == 1:
            raise KeyboardInterrupt
        return proceed(self, *arguments)

    monkeypatch.setattr(Trainer, "run_epoch", interrupted)
    _, output = call(*options(tuning))
    assert "Stopped after epoch 1 of 2. The same command with --resume continues there." in output
    monkeypatch.setattr(Trainer, "run_epoch", proceed)
    code, output = call(*options(tuning), "--resume")
    assert code == 0, output
    assert "epoch 2/2" in output
    assert "epoch 1/2" not in output
