"""Where the metrics of a run are sent besides metrics.csv: TensorBoard, wandb, MLflow."""

from __future__ import annotations

import contextlib
import netrc
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from cornea_stream.errors import UsageError

PROJECT = "cornea-stream"


class RunLog(Protocol):
    """A place where the rows of a run are sent, one per epoch."""

    @property
    def run_id(self) -> str:
        """What continues this log when the run is resumed; empty if nothing is needed."""
        ...

    def add(self, epoch: int, row: Mapping[str, float]) -> None:
        """Send the numbers of an epoch."""
        ...

    def close(self) -> None:
        """Send what is waiting, and end."""
        ...


class TensorBoard:
    """Event files in `tensorboard/` of the output folder."""

    run_id = ""

    def __init__(self, folder: Path, settings: Mapping[str, Any], run_id: str) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder / "tensorboard"))

    def add(self, epoch: int, row: Mapping[str, float]) -> None:
        """Write the numbers of an epoch."""
        for name, value in row.items():
            self._writer.add_scalar(name, value, epoch)
        self._writer.flush()

    def close(self) -> None:
        """End the file."""
        self._writer.close()


class WandB:
    """A run of Weights & Biases; without a login it stays in `wandb/` of the output folder."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], run_id: str) -> None:
        import wandb

        known = "WANDB_MODE" in os.environ or _knows_wandb()  # never ask for a login here
        self._run: Any = wandb.init(
            project=PROJECT,
            name=folder.name,
            dir=str(folder),
            config=dict(settings),
            id=run_id or None,
            resume="allow" if run_id else None,
            mode=None if known else "offline",
            settings=wandb.Settings(silent=True, console="off"),
        )
        self.run_id = str(self._run.id)

    def add(self, epoch: int, row: Mapping[str, float]) -> None:
        """Send the numbers of an epoch."""
        self._run.log(dict(row), step=epoch)

    def close(self) -> None:
        """Send what is waiting."""
        self._run.finish()


def _knows_wandb() -> bool:
    """Whether there is a login that wandb finds without asking."""
    if "WANDB_API_KEY" in os.environ:
        return True
    home = Path.home()
    places = (home / ".netrc", home / "_netrc")
    place = os.environ.get("NETRC") or next((str(p) for p in places if p.exists()), "")
    try:
        host = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")
        return netrc.netrc(place).authenticators(urlsplit(host).hostname or "") is not None
    except (OSError, netrc.NetrcParseError):
        return False


class MLflow:
    """A run of MLflow, at MLFLOW_TRACKING_URI or in `mlflow.db` of the output folder."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], run_id: str) -> None:
        from mlflow.tracking import MlflowClient

        own = f"sqlite:///{(folder / 'mlflow.db').resolve()}"
        self._client = MlflowClient(tracking_uri=os.environ.get("MLFLOW_TRACKING_URI", own))
        if not run_id:
            known = self._client.get_experiment_by_name(PROJECT)
            place = known.experiment_id if known else self._client.create_experiment(PROJECT)
            run_id = self._client.create_run(place, run_name=folder.name).info.run_id
            for name, value in settings.items():
                self._client.log_param(run_id, name, value)
        else:
            self._client.update_run(run_id, status="RUNNING")
        self.run_id = run_id

    def add(self, epoch: int, row: Mapping[str, float]) -> None:
        """Send the numbers of an epoch."""
        for name, value in row.items():
            self._client.log_metric(self.run_id, name, value, step=epoch)

    def close(self) -> None:
        """Mark the run as finished."""
        self._client.set_terminated(self.run_id)


LOGS: dict[str, Callable[[Path, Mapping[str, Any], str], RunLog]] = {
    "tensorboard": TensorBoard,
    "wandb": WandB,
    "mlflow": MLflow,
}


class RunLogs:
    """All logs of a run; one that fails is reported once and left alone, and training goes on."""

    def __init__(
        self,
        names: tuple[str, ...],
        folder: Path,
        settings: Mapping[str, Any],
        run_ids: Mapping[str, str],
        on_note: Callable[[str], None],
    ) -> None:
        """Open the logs. Raises UsageError if one is not installed or cannot be opened."""
        self._logs: dict[str, RunLog] = {}
        self._on_note = on_note
        for name in names:
            try:
                self._logs[name] = LOGS[name](folder, settings, run_ids.get(name, ""))
            except ImportError as err:
                raise UsageError(
                    f"{name} is not installed: pip install 'cornea-stream[{name}]'"
                ) from err
            except Exception as err:  # clients of servers raise errors of many kinds
                raise UsageError(
                    f"cannot log to {name}: {_line(err)}: leave out log={name} or correct its "
                    "settings"
                ) from err

    @property
    def run_ids(self) -> dict[str, str]:
        """What `RunLogs` needs to continue, by the name of the log."""
        return {name: log.run_id for name, log in self._logs.items()}

    def add(self, epoch: int, row: Mapping[str, float]) -> None:
        """Send the numbers of an epoch to all logs."""
        for name, log in list(self._logs.items()):
            try:
                log.add(epoch, row)
            except Exception as err:
                del self._logs[name]
                self._on_note(f"{name} gets no more metrics, metrics.csv does: {_line(err)}")

    def close(self) -> None:
        """End all logs."""
        for log in self._logs.values():
            with contextlib.suppress(Exception):  # the run itself is complete
                log.close()


def _line(err: Exception) -> str:
    return " ".join(str(err).split())[:200] or type(err).__name__
