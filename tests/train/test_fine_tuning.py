"""Fine-tuning on few frames: measured against the start, never worse, and nothing is forgotten."""

from __future__ import annotations

import csv
import io
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TINY_SPEC
from rich.console import Console
from typer.testing import CliRunner

from cornea_stream.cli import app
from cornea_stream.cli.training import TrainingBar, _print_result
from cornea_stream.errors import UsageError
from cornea_stream.models.checkpoint import load_checkpoint, save_checkpoint
from cornea_stream.models.pspnet import build_pspnet
from cornea_train import generated, run_log
from cornea_train.config import FINE_TUNING, TrainConfig
from cornea_train.dataset import open_cache
from cornea_train.distributed import World
from cornea_train.generated import KnownFrames
from cornea_train.loaders import Loaders
from cornea_train.network import build_network, settled
from cornea_train.split import Split, make_split
from cornea_train.trainer import Step, best_row, train

MEAN, STD = (10.0, 20.0, 30.0), (50.0, 60.0, 70.0)


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """Untrained weights with an input of their own."""
    torch.manual_seed(1)
    spec = replace(TINY_SPEC, mean=MEAN, std=STD)
    model = build_pspnet("resnet18", psp_out_channels=spec.psp_out_channels)
    save_checkpoint(tmp_path / "start.safetensors", model.state_dict(), spec)
    return tmp_path / "start.safetensors"


@pytest.fixture
def tuning(data_dir: Path, tmp_path: Path, start: Path) -> TrainConfig:
    return TrainConfig.of(
        data_dir=data_dir, output_dir=tmp_path / "tuned", init=start, epochs=3, lr=3e-3,
        least_frames=0, freeze_norm=False, device="cpu", precision="fp32",
    )  # fmt: skip


def test_the_input_is_that_of_the_start_and_the_result_is_better(tuning: TrainConfig) -> None:
    history = train(replace(tuning, epochs=5))
    assert [row["epoch"] for row in history] == [0, 1, 2, 3, 4, 5]
    assert history[-1]["val_iou"] > history[0]["val_iou"] + 0.2
    best = load_checkpoint(tuning.output_dir / "best_model.pth")
    spec = best.spec
    assert (spec.image_size, spec.mean, spec.std) == (TINY_SPEC.image_size, MEAN, STD)
    assert best.metadata["metrics"] == best_row(history)
    with (tuning.output_dir / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2", "3", "4", "5"]
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


@pytest.mark.parametrize("frozen", [True, False])
def test_batch_norm_stays_fixed_if_wanted(tuning: TrainConfig, start: Path, frozen: bool) -> None:
    train(replace(tuning, epochs=1, freeze_norm=frozen))
    before = load_checkpoint(start).state_dict
    after = load_checkpoint(tuning.output_dir / "model_epoch_1.pth").state_dict
    same = {name: torch.equal(value, before[name]) for name, value in after.items()}
    statistics = {name for name in same if name.endswith(("running_mean", "running_var"))}
    assert {same[name] for name in statistics} == {frozen}
    assert not same["segmentation_head.0.weight"]


def test_dropout_is_that_of_the_settings(tuning: TrainConfig) -> None:
    for share in (0.0, 0.4):
        network, _ = build_network(settled(replace(tuning, dropout=share))[0])
        layers = [m for m in network.modules() if isinstance(m, torch.nn.Dropout2d)]
        assert layers
        assert {layer.p for layer in layers} == {share}


def test_weights_that_do_not_say_their_input_are_doubted(
    tuning: TrainConfig, tmp_path: Path
) -> None:
    torch.save(build_pspnet("resnet18").state_dict(), tmp_path / "theirs.pth")
    config, (note,) = settled(replace(tuning, init=tmp_path / "theirs.pth"))
    assert "do not say what input they were trained on" in note
    assert "cornea-stream export" in note
    assert config.image_size == (512, 512)


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


@pytest.mark.parametrize("stopped_at", [0, 1])
def test_a_stopped_run_resumes_to_the_bit(tuning: TrainConfig, stopped_at: int) -> None:
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


def test_another_size_is_warned_of_and_must_fit(tuning: TrainConfig) -> None:
    notes: list[str] = []
    train(replace(tuning, epochs=1, image_size=128), on_note=notes.append)
    assert "image_size is 128x128, and the weights of init are made for 64x64" in notes[0]
    assert settled(replace(tuning, image_size=64))[1] == []
    with pytest.raises(UsageError, match="image_size must be multiples of 8"):
        settled(replace(tuning, image_size=60))


@pytest.mark.parametrize("name", ["default", "resnet101"])
def test_shipped_weights_can_be_named(tuning: TrainConfig, name: str) -> None:
    config, notes = settled(replace(tuning, init=Path(name)))
    assert config.image_size == load_checkpoint(name).spec.image_size
    assert notes == []


def test_inputs_that_are_no_squares_are_tuned(tuning: TrainConfig, tmp_path: Path) -> None:
    spec = replace(TINY_SPEC, image_size=(64, 104))
    model = build_pspnet("resnet18", psp_out_channels=spec.psp_out_channels)
    save_checkpoint(tmp_path / "wide.safetensors", model.state_dict(), spec)
    train(replace(tuning, init=tmp_path / "wide.safetensors", epochs=1))
    assert load_checkpoint(tuning.output_dir / "best_model.pth").spec.image_size == (64, 104)


def test_the_recipe_is_as_published_without_init(data_dir: Path, start: Path) -> None:
    recipe = TrainConfig.of(data_dir=data_dir)
    assert recipe == TrainConfig(data_dir)
    assert (recipe.epochs, recipe.lr, recipe.augment, recipe.split) == (150, 5e-5, "none", "case")
    assert settled(recipe)[0].image_size == (512, 512)
    tuned = TrainConfig.of(data_dir=data_dir, init=start, epochs=7)
    assert (tuned.epochs, tuned.lr) == (7, FINE_TUNING["lr"])


def test_generated_frames_are_half_of_the_samples(tuning: TrainConfig, tmp_path: Path) -> None:
    config, _ = settled(replace(tuning, mix_generated=0.5, least_frames=30))
    cache = open_cache(config.data_dir, tmp_path / "cache", config.input_size)
    world = World(0, 1, torch.device("cpu"))
    loaders = Loaders(config, world, cache, Split([3, 4, 5, 6], [0]))
    frames: Any = loaders.train.dataset
    assert len(frames) == 64  # 4 frames 8 times, and as many generated ones
    generated = [np.asarray(frames[index][0]) for index in (32, 33, 63)]
    frames.epoch = 1
    assert not np.array_equal(generated[0], frames[32][0])
    frames.epoch = 0
    assert np.array_equal(generated[2], frames[63][0])
    assert len({image.tobytes() for image in generated}) == 3
    image, mask = KnownFrames((64, 96))[0]
    assert (image.shape, mask.shape) == ((64, 96, 3), (64, 96))
    assert set(np.unique(mask)) == {0, 255}
    again = KnownFrames((64, 96))[0]
    assert all(np.array_equal(a, b) for a, b in zip(again, (image, mask), strict=True))


def test_generated_frames_show_no_eye_at_times_and_are_never_those_scored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: dict[str, list[int]] = {"frame": [], "empty": [], "known": []}
    now = "frame"

    def frame(seed: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        drawn[now].append(seed)
        return np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)

    def empty(seed: int, height: int, width: int) -> np.ndarray:
        drawn["empty"].append(seed)
        return np.zeros((height, width, 3), np.uint8)

    monkeypatch.setattr(generated, "generate_frame", frame)
    monkeypatch.setattr(generated, "generate_empty", empty)
    frames = generated.GeneratedFrames(1000, (8, 8), seed=0)
    for index in range(len(frames)):
        frames[index]
    now = "known"
    KnownFrames((8, 8))
    assert 0.05 < len(drawn["empty"]) / len(frames) < 0.11
    assert max(drawn["frame"]) < min(drawn["known"])


def test_frames_are_varied_in_every_epoch_and_held_out_ones_are_not(
    tuning: TrainConfig, tmp_path: Path
) -> None:
    config, _ = settled(replace(tuning, mix_generated=0.0))
    cache = open_cache(config.data_dir, tmp_path / "cache", config.input_size)
    loaders = Loaders(config, World(0, 1, torch.device("cpu")), cache, Split([3], [3]))
    trained, held_out = loaders.train.dataset, loaders.validation.dataset
    for frames, changes in ((trained, True), (held_out, False)):
        seen = []
        for epoch in (0, 1):
            frames.epoch = epoch  # type: ignore[attr-defined]
            seen.append(np.asarray(frames[0][0]))
        assert changes is not np.array_equal(*seen)
    assert np.array_equal(np.asarray(held_out[0][0]), cache.images[3])


def test_few_surgeries_are_split_by_frame(tuning: TrainConfig, tmp_path: Path) -> None:
    pairs = open_cache(tuning.data_dir, tmp_path / "cache", 64).pairs
    whole = make_split(pairs, tuning)
    assert len({pairs[i].case for i in whole.validation}) == 1
    few = [pair for pair in pairs if pair.case in ("case_00", "case_01")]
    split = make_split(few, tuning)
    assert {few[i].case for i in split.train} == {"case_00", "case_01"}
    assert len(split.validation) == 2


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
    assert "training_state.pth 0.0 MB for --resume" in output
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
    from cornea_train.trainer import Trainer

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


class Noted:
    """A log that keeps what it gets, and fails when told to."""

    rows: list[tuple[int, dict[str, float]]]

    def __init__(self, folder: Path, settings: dict[str, Any], run_id: str) -> None:
        self.run_id, self.given = run_id or "seven", run_id
        Noted.latest = self
        self.rows, self.closed = [], False

    def add(self, epoch: int, row: dict[str, float]) -> None:
        if epoch == 2:
            raise ConnectionError("no route")
        self.rows.append((epoch, row))

    def close(self) -> None:
        self.closed = True

    latest: Noted


def test_a_log_that_fails_does_not_stop_the_run(
    tuning: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(run_log.LOGS, "wandb", Noted)
    notes: list[str] = []
    history = train(replace(tuning, log=("wandb",)), on_note=notes.append)
    assert len(history) == 4
    assert [epoch for epoch, _ in Noted.latest.rows] == [0, 1]
    assert notes == ["wandb gets no more metrics, metrics.csv does: no route"]


def test_a_resumed_run_continues_its_log(
    tuning: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(run_log.LOGS, "wandb", Noted)

    def stop(row: dict[str, float], best: bool) -> None:
        raise KeyboardInterrupt

    config = replace(tuning, log=("wandb",), epochs=1)
    with pytest.raises(KeyboardInterrupt):
        train(config, stop)
    assert Noted.latest.given == ""
    train(replace(config, resume=True))
    assert Noted.latest.given == "seven"
    assert Noted.latest.closed


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"log": ("paper",)}, "unknown log: 'paper'"), ({"mix_generated": 1.0}, "mix_generated must"),
     ({"patience": -1}, "patience must be 0"), ({"least_frames": 0.5}, "least_frames")],
)  # fmt: skip
def test_settings_that_make_no_sense(
    tuning: TrainConfig, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        train(replace(tuning, **settings))


def test_a_log_that_is_not_installed_is_named(
    tuning: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"wandb is not installed: pip install 'cornea-stream"):
        train(replace(tuning, log=("wandb",)))
    assert not list(tuning.output_dir.glob("*.pth"))
    broken = ModuleType("wandb")
    monkeypatch.setitem(sys.modules, "wandb", broken)
    with pytest.raises(UsageError, match="cannot log to wandb"):
        train(replace(tuning, log=("wandb",)))


def test_mlflow_gets_the_rows(tuning: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    tracking = pytest.importorskip("mlflow.tracking")
    pytest.importorskip("sqlalchemy")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    history = train(replace(tuning, log=("mlflow",), epochs=1))
    client = tracking.MlflowClient(f"sqlite:///{tuning.output_dir / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("cornea-stream")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["epochs"] == "1"
    values = [m.value for m in client.get_metric_history(run.info.run_id, "val_iou")]
    assert values == [row["val_iou"] for row in history]


def test_wandb_stays_offline_without_a_login(
    tuning: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tuning.output_dir / "none"))
    train(replace(tuning, log=("wandb",), epochs=1))
    (folder,) = (tuning.output_dir / "wandb").glob("offline-run-*")
    assert list(folder.glob("*.wandb"))


def test_tensorboard_gets_the_rows(tuning: TrainConfig) -> None:
    pytest.importorskip("tensorboard")
    train(replace(tuning, tensorboard=True, log=("tensorboard",), epochs=1))
    assert len(list((tuning.output_dir / "tensorboard").iterdir())) == 1
