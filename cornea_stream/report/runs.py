"""What a run left in its folder, complete or not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cornea_stream.errors import SourceError
from cornea_stream.storage import MARKER, RUN_JSON, is_ours, part_path, read_run

UNFINISHED = "unfinished"
"""Status of a run that left no run.json: it is still at work, failed, or was killed."""


@dataclass(frozen=True, slots=True)
class Run:
    """The folder of a run and its run.json (`told`; empty when the run did not end by itself)."""

    folder: Path
    told: dict[str, Any]

    @property
    def name(self) -> str:
        """The source's file name, or the folder's where that is not known."""
        path = self.source.get("path")
        return Path(str(path)).name if path else self.folder.resolve().name

    @property
    def status(self) -> str:
        """How the run ended: complete, interrupted or unfinished."""
        return str(self.told.get("status", UNFINISHED))

    @property
    def source(self) -> dict[str, Any]:
        """What run.json tells of the source; empty when there is none."""
        return _mapping(self.told.get("source"))

    @property
    def settings(self) -> dict[str, Any]:
        """The run's settings; empty when they are not known."""
        return _mapping(self.told.get("settings"))

    @property
    def start_s(self) -> float:
        """Where in the source the run began, in seconds."""
        start = self.settings.get("start_s")
        return float(start) if isinstance(start, int | float) else 0.0

    def made(self, name: str) -> bool:
        """Whether an output of this name is this run's, and not one that an earlier run left."""
        outputs = self.told.get("outputs")
        return not isinstance(outputs, list) or name in outputs

    def find(self, *names: str) -> Path | None:
        """Return the first of these outputs that is there.

        Of a run that did not end by itself that may be a part file.
        """
        for path in (self.folder / name for name in names if self.made(name)):
            for found in (path,) if self.told else (path, part_path(path)):
                if found.is_file() and found.stat().st_size:
                    return found
        return None


def is_run(folder: Path) -> bool:
    """Whether a run, complete or not, wrote into `folder`."""
    return is_ours(folder)


def open_run(folder: Path) -> Run:
    """Return the run in `folder`. Raises SourceError when there is none."""
    if not folder.is_dir():
        raise SourceError(f"no such folder: {folder}: give the folder of a run")
    if not is_run(folder):
        raise SourceError(
            f"no run in this folder: {folder}: give a folder that holds run.json, or one with such "
            "folders in it"
        )
    return Run(folder, read_run(folder) or {})


def find_runs(folder: Path) -> list[Path]:
    """Return the folders of all runs below `folder`, sorted by path.

    What lies within the folder of a run, such as its unfinished chunks, is no run of its own.
    """
    marks = (RUN_JSON, MARKER)
    found = {path.parent for mark in marks for path in folder.rglob(mark)}
    return sorted(path for path in found if found.isdisjoint(path.parents))


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
