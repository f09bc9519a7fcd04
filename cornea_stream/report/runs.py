"""The folder of a run, complete or not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cornea_stream.errors import SourceError
from cornea_stream.media.class_name import CLASS_NAME
from cornea_stream.storage import MARKER, RUN_JSON, is_ours, part_path, read_run

UNFINISHED = "unfinished"
"""Status of a run without a run.json: it is still running, failed, or was killed."""


@dataclass(frozen=True, slots=True)
class Run:
    """The folder of a run and its run.json (`record`; empty if the run did not finish)."""

    folder: Path
    record: dict[str, Any]

    @property
    def name(self) -> str:
        """The file name of the source, or the folder name if that is unknown."""
        path = self.source.get("path")
        return Path(str(path)).name if path else self.folder.resolve().name

    @property
    def status(self) -> str:
        """How the run ended: complete, interrupted or unfinished."""
        return str(self.record.get("status", UNFINISHED))

    @property
    def source(self) -> dict[str, Any]:
        """The source as described in run.json; empty if there is none."""
        return _mapping(self.record.get("source"))

    @property
    def settings(self) -> dict[str, Any]:
        """The run's settings; empty if they are unknown."""
        return _mapping(self.record.get("settings"))

    @property
    def start_s(self) -> float:
        """The source time where the run began, in seconds."""
        start = self.settings.get("start_s")
        return float(start) if isinstance(start, int | float) else 0.0

    @property
    def class_name(self) -> str:
        """The structure that was segmented."""
        spec = _mapping(_mapping(self.record.get("checkpoint")).get("spec"))
        return str(spec.get("class_name", CLASS_NAME))

    def made(self, name: str) -> bool:
        """Whether an output of this name belongs to this run, not to an earlier one."""
        outputs = self.record.get("outputs")
        return not isinstance(outputs, list) or name in outputs

    def find(self, *names: str) -> Path | None:
        """Return the first of these outputs that exists.

        For a run that did not finish, this can be a .part file.
        """
        for path in (self.folder / name for name in names if self.made(name)):
            for found in (path,) if self.record else (path, part_path(path)):
                if found.is_file() and found.stat().st_size:
                    return found
        return None


def is_run(folder: Path) -> bool:
    """Whether a run, complete or not, wrote into `folder`."""
    return is_ours(folder)


def open_run(folder: Path) -> Run:
    """Return the run in `folder`. Raises SourceError if there is none."""
    if not folder.is_dir():
        raise SourceError(f"no such folder: {folder}: give the folder of a run")
    if not is_run(folder):
        raise SourceError(
            f"no run in this folder: {folder}: give a folder with a run.json, or one that contains "
            "such folders"
        )
    return Run(folder, read_run(folder) or {})


def find_runs(folder: Path) -> list[Path]:
    """Return the folders of all runs below `folder`, sorted by path.

    Folders inside the folder of a run, such as unfinished chunks, are not runs themselves.
    """
    marks = (RUN_JSON, MARKER)
    found = {path.parent for mark in marks for path in folder.rglob(mark)}
    return sorted(path for path in found if found.isdisjoint(path.parents))


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
