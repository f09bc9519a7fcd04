"""A training run: it learns, stops and resumes to the bit, and several processes equal one."""

from __future__ import annotations

import csv
import math
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
import torch
from waiting import PATIENCE_S, wait_until

from cornea_stream.errors import CheckpointError, CorneaStreamError, OutputError, UsageError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.models.checkpoint import load_checkpoint
from cornea_stream.models.pspnet import IMAGENET_MEAN, build_pspnet
from cornea_train.config import TrainConfig
from cornea_train.network import build_network, load_encoder
from cornea_train.trainer import train


def test_a_run_learns_and_leaves_what_it_promises(config: TrainConfig) -> None:
    config = replace(config, epochs=8, keep_last=3, lr=3e-3)
    seen: list[bool] = []
    history = train(config, lambda row, best: seen.append(best))
    folder = config.output_dir
    assert max(row["val_iou"] for row in history) > 0.6
    assert history[-1]["train_loss"] < 0.7 * history[0]["train_loss"]
    assert len(seen) == 8
    assert seen[0]
    assert {p.name for p in folder.iterdir()} == {
        "best_model.pth", "metrics.csv", "model_epoch_6.pth", "model_epoch_7.pth",
        "model_epoch_8.pth", "split.json", "training_results.png", "training_state.pth",
    }  # fmt: skip
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(1, 9))
    assert float(rows[3]["val_iou"]) == pytest.approx(history[3]["val_iou"], rel=1e-6)
    assert float(rows[0]["lr"]) == 3e-3
    assert float(rows[-1]["lr"]) < float(rows[1]["lr"])
    best = load_checkpoint(folder / "best_model.pth")
    assert best.metadata["metrics"]["val_iou"] == max(row["val_iou"] for row in history)
    assert best.spec.image_size == (64, 64)
    assert best.spec.mean == IMAGENET_MEAN
    assert cv2.imread(str(folder / "training_results.png")).shape[1] > 1000


def test_a_trained_checkpoint_segments(config: TrainConfig) -> None:
    train(replace(config, epochs=8, lr=3e-3))
    picture = cv2.imread(str(sorted(config.data_dir.rglob("*.png"))[0]))[..., ::-1].copy()
    found = Segmenter(config.output_dir / "best_model.pth", device="cpu")(picture)
    assert found.present
    assert picture[found.mask > 0].mean() > 150


def test_the_same_seed_gives_the_same_run_and_another_another(config: TrainConfig) -> None:
    first = train(replace(config, epochs=2))
    again = train(replace(config, epochs=2, output_dir=config.output_dir / "again"))
    other = train(replace(config, epochs=2, seed=5, output_dir=config.output_dir / "other"))
    assert first == again
    assert first != other


def program(config: TrainConfig, *more: str) -> list[str]:
    return [
        "-m", "cornea_stream", "train", "--data-dir", str(config.data_dir),
        "--output_dir", str(config.output_dir), "--epochs", str(config.epochs), "--lr", "1e-3",
        "--batch_size", "4", "--encoder_name", "resnet18", "--encoder_weights", "none",
        "--image-size", "64", "--device", "cpu", "--precision", "fp32", *more,
    ]  # fmt: skip


@pytest.mark.parametrize("augment", [pytest.param("none", marks=pytest.mark.slow), "mild"])
def test_a_killed_run_resumes_to_the_bit(config: TrainConfig, augment: str) -> None:
    whole = replace(config, epochs=12, augment=augment, output_dir=config.output_dir / "whole")
    killed = replace(whole, output_dir=config.output_dir / "killed")
    expected = train(whole)
    process = subprocess.Popen(
        [sys.executable, *program(killed, "--augment", augment)], stdout=subprocess.DEVNULL
    )
    wait_until((killed.output_dir / "model_epoch_3.pth").exists, "the third epoch")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (killed.output_dir / "model_epoch_12.pth").exists()
    resumed = train(replace(killed, resume=True))
    assert resumed == expected
    a, b = (load_checkpoint(c.output_dir / "model_epoch_12.pth") for c in (whole, killed))
    assert all(torch.equal(value, b.state_dict[key]) for key, value in a.state_dict.items())
    assert (killed.output_dir / "metrics.csv").read_bytes() == (
        whole.output_dir / "metrics.csv"
    ).read_bytes()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_two_processes_have_the_loss_of_one(config: TrainConfig) -> None:
    # Batch norm and dropout see only their own process's images on CPUs, so they rest here.
    config = replace(config, epochs=2, freeze_norm=True, dropout=0.0)
    alone = train(replace(config, output_dir=config.output_dir / "alone"))
    both = replace(config, output_dir=config.output_dir / "both")
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2",
         "--master-port", str(free_port()), *program(both, "--freeze-norm", "--dropout", "0")],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    with (both.output_dir / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row, expected in zip(rows, alone, strict=True):
        for name in ("train_loss", "val_loss", "train_iou", "val_iou"):
            assert float(row[name]) == pytest.approx(expected[name], rel=2e-3)
    assert done.stdout.count("epoch   1/2") == 1  # one process writes and prints


def test_accumulated_batches_equal_one_large_batch(config: TrainConfig) -> None:
    config = replace(config, epochs=1, freeze_norm=True, dropout=0.0)
    large = train(replace(config, batch_size=8, output_dir=config.output_dir / "a"))
    small = train(replace(config, batch_size=4, accumulate=2, output_dir=config.output_dir / "b"))
    assert small[0]["val_loss"] == pytest.approx(large[0]["val_loss"], rel=1e-3)


def test_earlier_runs_are_kept(config: TrainConfig) -> None:
    config = replace(config, epochs=1)
    train(config)
    before = (config.output_dir / "best_model.pth").read_bytes()
    with pytest.raises(OutputError, match="output exists"):
        train(config)
    assert (config.output_dir / "best_model.pth").read_bytes() == before
    with pytest.raises(UsageError, match=r"cannot resume with lr 0\.5: the run had 0\.001"):
        train(replace(config, resume=True, lr=0.5))
    with pytest.raises(UsageError, match="cannot resume with different frames"):
        train(replace(config, resume=True, folds=5, fold=3))
    for name in ("model_epoch_2.pth", "model_epoch_best_of_mine.pth"):
        (config.output_dir / name).write_text("weights")
    files = {path.name: path.stat().st_mtime_ns for path in config.output_dir.glob("*.*")}
    for impossible in (
        {"data_dir": config.output_dir},
        {"folds": 9, "fold": 8},
        {"init": config.data_dir},
    ):
        with pytest.raises(CorneaStreamError):
            train(replace(config, overwrite=True, **impossible))  # type: ignore[arg-type]
        assert {p.name: p.stat().st_mtime_ns for p in config.output_dir.glob("*.*")} == files
    train(replace(config, seed=9, overwrite=True))
    assert (config.output_dir / "best_model.pth").read_bytes() != before
    epochs = {path.name for path in config.output_dir.glob("model_epoch_*")}
    assert epochs == {"model_epoch_1.pth", "model_epoch_best_of_mine.pth"}
    with pytest.raises(CheckpointError, match="nothing to resume"):
        train(replace(config, resume=True, output_dir=config.output_dir / "new"))
    (config.output_dir / "training_state.pth").write_bytes(b"torn")
    with pytest.raises(CheckpointError, match="cannot resume from a damaged file"):
        train(replace(config, resume=True))


@pytest.mark.parametrize(
    "name", ["model_epoch_7.pth", "training_results.png", "split.json", "metrics.csv"]
)
def test_files_that_only_look_like_a_runs_are_kept(config: TrainConfig, name: str) -> None:
    theirs = config.output_dir / name
    theirs.parent.mkdir()
    theirs.write_text("somebody's")
    with pytest.raises(OutputError, match=f"output exists: .*{name}"):
        train(replace(config, epochs=1, keep_last=1))
    assert theirs.read_text() == "somebody's"
    assert [path.name for path in theirs.parent.iterdir()] == [name]


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"epochs": 0}, "epochs must be 1 or more"), ({"lr": 2.0}, "lr must be between"),
     ({"lr": 1e-7}, "min_lr is above lr"), ({"image_size": 100}, "multiple of 8"),
     ({"image_size": 4096}, "up to 2048"),
     ({"augment": "wild"}, "unknown augment"), ({"split": "eye"}, "unknown split"),
     ({"folds": 3, "fold": 3}, "fold 3 of 3"), ({"folds": 3, "fold": -1}, "fold -1 of 3"),
     ({"fold": 0}, "fold is for cross-validation"),
     ({"split_file": Path("s.json"), "split": "case"}, r"split is for .* split_file: s\.json"),
     ({"split_file": Path("s.json"), "folds": 3}, "folds is for splits without split_file"),
     ({"split_file": Path("s.json"), "fold": 1}, "fold is for splits without split_file"),
     ({"encoder_depth": 2}, "must be 3, 4 or 5"),
     ({"encoder_name": "resnet9000"}, "resnet9000"), ({"keep_last": 0}, "keep_last"),
     ({"dropout": 1.0}, "dropout must be between"),
     ({"dice_weight": 0.0, "focal_weight": 0.0}, "all loss weights are 0"),
     ({"epochs": math.nan}, "epochs must be 1 or more"), ({"epochs": 1.5}, "epochs must be 1"),
     ({"clip_norm": math.nan}, "clip_norm must be 0"), ({"weight_decay": -1.0}, "weight_decay"),
     ({"dice_weight": math.inf}, "dice_weight must be 0"), ({"workers": -1}, "workers must be 0"),
     ({"seed": -1}, "seed must be 0"), ({"max_bad": -1}, "max_bad must be 0")],
)  # fmt: skip
def test_settings_that_make_no_sense(
    config: TrainConfig, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        train(replace(config, **settings))  # type: ignore[arg-type]


def test_weights_that_cannot_be_fetched_say_what_to_do(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*arguments: object, **options: object) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr("cornea_train.network.build_pspnet", offline)
    with pytest.raises(CheckpointError, match=r"imagenet for resnet18 .*encoder_weights=none"):
        build_network(replace(config, encoder_weights="imagenet"))
    with pytest.raises(CheckpointError, match="encoder weights not found"):
        build_network(replace(config, encoder_weights="some/file.pth"))


def test_encoder_weights_from_a_file(config: TrainConfig, tmp_path: Path) -> None:
    import torchvision

    torchvision_weights = torchvision.models.resnet18(weights=None).state_dict()
    torch.save(torchvision_weights, tmp_path / "r18.pth")
    network, _ = build_network(replace(config, encoder_weights=str(tmp_path / "r18.pth")))
    loaded = network.pspnet.state_dict()
    assert torch.equal(
        loaded["encoder.layer2.1.conv2.weight"], torchvision_weights["layer2.1.conv2.weight"]
    )
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "bad.pth")
    with pytest.raises(CheckpointError, match=r"not encoder weights: .*bad\.pth"):
        load_encoder(build_pspnet("resnet18"), tmp_path / "bad.pth")


def test_fine_tuning_starts_from_the_given_network(
    config: TrainConfig, tiny_checkpoint: Path
) -> None:
    network, spec = build_network(replace(config, init=tiny_checkpoint, image_size=128))
    given = load_checkpoint(tiny_checkpoint)
    assert spec.psp_out_channels == 32
    assert spec.image_size == (128, 128)
    weights = network.pspnet.state_dict()
    assert all(torch.equal(value, weights[key]) for key, value in given.state_dict.items())


@pytest.mark.parametrize("name", ["mobilenet_v2", "efficientnet-b0"])
def test_other_encoders_train_only_what_runs(config: TrainConfig, name: str) -> None:
    network, _ = build_network(replace(config, encoder_name=name))
    network(torch.zeros(2, 64, 64, 3, dtype=torch.uint8)).sum().backward()
    trained = [p for p in network.parameters() if p.requires_grad]
    assert 0 < len(trained) < len(list(network.parameters()))
    assert all(p.grad is not None for p in trained)


@pytest.mark.slow
def test_the_real_frames_can_be_learned_by_heart(config: TrainConfig) -> None:
    from conftest import SHARED

    data = SHARED / "data" / "cataract1k_mini"
    if not data.exists():
        pytest.skip("the real frames are not here")
    history = train(
        replace(
            config, data_dir=data, epochs=60, lr=2e-3, image_size=128, split="frame", batch_size=6
        )
    )
    assert max(row["train_iou"] for row in history) >= 0.95
