"""The files of a training run: checkpoints, metrics.csv, curves, and the state to resume from."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from cornea_stream.errors import CheckpointError, OutputError
from cornea_stream.models.checkpoint import save_checkpoint
from cornea_stream.storage import output_errors, write_file
from cornea_train.config import TrainConfig
from cornea_train.plots import plot_history
from cornea_train.run_log import RunLogs

if TYPE_CHECKING:
    from cornea_train.trainer import Row, Trainer

STATE = "training_state.pth"
BEST = "best_model.pth"
SPLIT = "split.json"
CACHE = "cache"
METRICS, CURVES = "metrics.csv", "training_results.png"
_EPOCH = re.compile(r"model_epoch_\d+\.pth")


class Recorder:
    """Writes the files of an epoch; the state comes last, so it is never ahead of the others."""

    def __init__(
        self, trainer: Trainer, run_ids: Mapping[str, str], on_note: Callable[[str], None]
    ) -> None:
        """Open the logs, those of `run_ids` to go on. Raises UsageError if one cannot be opened."""
        self.trainer, self.config = trainer, trainer.config
        self.folder = trainer.config.output_dir
        self._logs = RunLogs(self.config.logs, self.folder, self._settings(), run_ids, on_note)

    def record(self) -> None:
        """Write checkpoints, metrics.csv, curves and state after an epoch. Raises OutputError."""
        trainer, row = self.trainer, self.trainer.history[-1]
        epoch = trainer.epoch
        if epoch:
            self._save(self.folder / f"model_epoch_{epoch}.pth", row)
        if trainer.best is row:
            self._save(self.folder / BEST, row)
        if self.config.keep_last is not None:
            gone = self.folder / f"model_epoch_{epoch - self.config.keep_last}.pth"
            with output_errors(gone):
                gone.unlink(missing_ok=True)
        write_file(self.folder / METRICS, _as_csv(trainer.history))
        plot_history(self.folder / CURVES, trainer.history)
        self._logs.add(epoch, row)
        self._write_state(trainer.state())

    def finish(self) -> None:
        """Close the logs, and keep only what a complete run needs. Raises OutputError."""
        self._logs.close()
        self._write_state(self.trainer.outline())
        shutil.rmtree(self.folder / CACHE, ignore_errors=True)

    def _write_state(self, state: dict[str, Any]) -> None:
        buffer = io.BytesIO()
        torch.save({**state, "run_ids": self._logs.run_ids}, buffer)
        write_file(self.folder / STATE, buffer.getvalue())

    def _save(self, path: Path, row: Row) -> None:
        metadata = {
            "metrics": row, "settings": self._settings(), "precision": self.trainer.precision,
        }  # fmt: skip
        weights = self.trainer.network.pspnet.state_dict()
        save_checkpoint(path, weights, self.trainer.spec, metadata)

    def _settings(self) -> dict[str, Any]:
        values = asdict(self.config).items()
        return {k: str(v) if isinstance(v, Path) else v for k, v in values}


def _as_csv(history: list[Row]) -> bytes:
    text = io.StringIO(newline="")
    columns = max(history, key=len)  # the starting weights have not been trained
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    for row in history:
        writer.writerow({k: int(v) if k == "epoch" else f"{v:.8g}" for k, v in row.items()})
    return text.getvalue().encode()


def prepare_folder(config: TrainConfig) -> None:
    """Create the output folder.

    Raises OutputError if files with the names of a run's outputs exist, and neither resume nor
    overwrite is set.
    """
    folder = config.output_dir
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    found = _files_of_a_run(folder)
    if found and not (config.resume or config.overwrite):
        raise OutputError(
            f"output exists: {found[0]}: pass resume=True to continue, overwrite=True to start "
            "again, or another output folder"
        )


def clear_folder(folder: Path) -> None:
    """Remove the files of an earlier run, so that its epochs are not mistaken for this run's.

    Raises OutputError.
    """
    for path in _files_of_a_run(folder):
        with output_errors(path):
            path.unlink()


def _files_of_a_run(folder: Path) -> list[Path]:
    named = [folder / name for name in (STATE, BEST, METRICS, CURVES, SPLIT)]
    epochs = [path for path in sorted(folder.iterdir()) if _EPOCH.fullmatch(path.name)]
    return [path for path in named if path.exists()] + epochs


def read_state(path: Path, device: torch.device) -> dict[str, Any]:
    """Return the state that `Recorder` wrote. Raises CheckpointError."""
    if not path.is_file():
        raise CheckpointError(f"nothing to resume: {path} not found: start without resume=True")
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except Exception as err:  # torch.load fails in many ways on a damaged file
        raise CheckpointError(
            f"cannot resume from a damaged file: {path}: start again with overwrite=True, or "
            "with init from the last model_epoch_*.pth"
        ) from err
    return state


def left_behind(folder: Path) -> list[tuple[str, int, str]]:
    """Return name, bytes and purpose of what a run has in its folder, for the user."""
    purposes = {
        BEST: "the best weights", METRICS: "the numbers of every epoch", CURVES: "their curves",
        SPLIT: "which frames were held out", STATE: "for --resume",
        CACHE: "resized frames, for --resume", "tensorboard": "for TensorBoard",
        "wandb": "for wandb", "mlflow.db": "for mlflow",
    }  # fmt: skip
    found = [(name, _bytes(folder / name), why) for name, why in purposes.items()]
    epochs = [path for path in folder.iterdir() if _EPOCH.fullmatch(path.name)]
    if epochs:
        name = epochs[0].name if len(epochs) == 1 else f"{len(epochs)} x model_epoch_*.pth"
        found.insert(1, (name, sum(map(_bytes, epochs)), "the weights of single epochs"))
    return [(name, size, why) for name, size, why in found if size]


def _bytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
