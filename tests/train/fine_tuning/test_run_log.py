"""Metrics sent to TensorBoard, wandb and MLflow, which never stop a run."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cornea_stream.errors import UsageError
from cornea_train import run_log
from cornea_train.config import TrainConfig
from cornea_train.trainer import train


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
