"""summary.csv: one row per source of an archive, with its result, and what was passed over."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from cornea_stream.batch.discover import PassedOver
from cornea_stream.batch.task import Task
from cornea_stream.errors import OutputError
from cornea_stream.report import Failure
from cornea_stream.runs.result import RunResult
from cornea_stream.storage import output_errors, write_file

NAME = "summary.csv"
COLUMNS = ("source", "folder", "status", "frames", "seconds", "fps", "reason")
NOT_DONE = "not done"
_EVERY_S = 5.0


class Summary:
    """Keeps summary.csv up to date during a batch; the file is always complete."""

    def __init__(
        self, folder: Path, tasks: Sequence[Task], passed_over: Sequence[PassedOver] = ()
    ) -> None:
        """Replace an earlier summary. Raises OutputError if the file is something else."""
        self.path = folder / NAME
        self._tasks, self._passed_over = tasks, passed_over
        self._written = float("-inf")
        if self.path.exists() and not _is_summary(self.path):
            raise OutputError(
                f"not a summary of cornea-stream: {self.path}: move it away or choose "
                "another output folder"
            )

    def write(self, results: Mapping[Task, RunResult], *, last: bool = False) -> None:
        """Write all rows, unless they were written recently and this is not the last call.

        Raises OutputError.
        """
        if not last and time.monotonic() - self._written < _EVERY_S:
            return
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(COLUMNS)
        rows.writerows(_row(task, results.get(task)) for task in self._tasks)
        rows.writerows((n.folder, "", "passed over", "", "", "", n) for n in self._passed_over)
        with output_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        write_file(self.path, text.getvalue().encode(errors="surrogateescape"))
        self._written = time.monotonic()


def read_failures(folder: Path) -> list[Failure]:
    """Return the failed sources in the summary.csv of `folder`; none if it does not exist."""
    path = folder / NAME
    if not _is_summary(path):
        return []
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        return [
            Failure(
                row["source"],
                row["status"],
                row["reason"] or row["status"],
                Path(row["folder"]) if row["folder"] else None,
            )
            for row in csv.DictReader(file)
            if row["status"] in ("failed", NOT_DONE)
        ]


def _row(task: Task, result: RunResult | None) -> tuple[object, ...]:
    if result is None:
        return (task.source, task.folder, NOT_DONE, "", "", "", "")
    return (
        result.source,
        result.folder,
        result.status,
        result.frames,
        f"{result.seconds:.2f}",
        f"{result.fps:.2f}",
        result.error or "",
    )


def _is_summary(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8") as file:
            return file.readline().strip() == ",".join(COLUMNS)
    except (OSError, ValueError):
        return False
