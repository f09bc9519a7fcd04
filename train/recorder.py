"""The files of a training run: checkpoints, metrics.csv, curves, and the state to resume from."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from cornea_stream.errors import CheckpointError, OutputError, UsageError
from cornea_stream.models.checkpoint import save_checkpoint
from cornea_stream.storage import output_errors, write_file
from cornea_train.config import TrainConfig
from cornea_train.plots import plot_history

if TYPE_CHECKING:
    from cornea_train.trainer import Row, Trainer

STATE = "training_state.pth"
BEST = "best_model.pth"
SPLIT = "split.json"
METRICS, CURVES = "metrics.csv", "training_results.png"
_EPOCH = re.compile(r"model_epoch_\d+\.pth")


class Recorder:
    """Writes the files of an epoch; the state comes last, so it is never ahead of the others."""

    def __init__(self, trainer: Trainer) -> None:
        """Open the log. Raises UsageError if TensorBoard is requested but not installed."""
        self.trainer, self.config = trainer, trainer.config
        self.folder = trainer.config.output_dir
        self._board = _open_tensorboard(self.folder) if self.config.tensorboard else None

    def record(self) -> None:
        """Write checkpoints, metrics.csv, curves and state after an epoch. Raises OutputError."""
        trainer, row = self.trainer, self.trainer.history[-1]
        epoch = len(trainer.history)
        self._save(self.folder / f"model_epoch_{epoch}.pth", row)
        if trainer.best_epoch == epoch:
            self._save(self.folder / BEST, row)
        if self.config.keep_last is not None:
            gone = self.folder / f"model_epoch_{epoch - self.config.keep_last}.pth"
            with output_errors(gone):
                gone.unlink(missing_ok=True)
        write_file(self.folder / METRICS, _as_csv(trainer.history))
        plot_history(self.folder / CURVES, trainer.history)
        if self._board is not None:
            for name, value in row.items():
                self._board.add_scalar(name, value, epoch)
            self._board.flush()
        buffer = io.BytesIO()
        torch.save(trainer.state(), buffer)
        write_file(self.folder / STATE, buffer.getvalue())

    def _save(self, path: Path, row: Row) -> None:
        settings = {k: str(v) if isinstance(v, Path) else v for k, v in asdict(self.config).items()}
        metadata = {"metrics": row, "settings": settings, "precision": self.trainer.precision}
        weights = self.trainer.network.pspnet.state_dict()
        save_checkpoint(path, weights, self.trainer.spec, metadata)


def _as_csv(history: list[Row]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(history[0]), lineterminator="\n")
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


def _open_tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as err:
        raise UsageError("TensorBoard is not installed: pip install tensorboard") from err
    return SummaryWriter(str(folder / "tensorboard"))
