"""index.html: a sortable table of the runs of a folder, with a report for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cornea_stream.errors import (
    CorneaStreamError,
    OutputError,
    SourceError,
    check_flag,
    check_path,
    wrong_type,
)
from cornea_stream.media.class_name import CLASS_NAME, in_words
from cornea_stream.report.files import INDEX, check_replaceable, write_page
from cornea_stream.report.page import Report, write_report
from cornea_stream.report.pictures import address
from cornea_stream.report.runs import UNFINISHED, Run, find_runs, open_run
from cornea_stream.report.wording import NOT_KNOWN, clock, number, percent


@dataclass(frozen=True, slots=True)
class Failure:
    """A source without a complete run: its status, the reason, and the folder of its outputs."""

    source: str
    status: str
    reason: str
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A row of the table: a run with its report, or the reason why there is none.

    `failure` says how an unfinished run ended, if that is known.
    """

    run: Run
    report: Report | None
    error: CorneaStreamError | None = None
    failure: Failure | None = None

    @property
    def status(self) -> str:
        """How the run ended."""
        return self.failure.status if self.failure else self.run.status


@dataclass(frozen=True, slots=True)
class _Cell:
    """The text of a cell and its sort key."""

    shown: str
    key: float | str


def write_index(
    folder: str | Path, failures: Sequence[Failure] = (), *, overwrite: bool = False
) -> tuple[Path, list[IndexEntry]]:
    """Write report.html for every run below `folder`, and index.html into `folder`.

    The table also lists `failures`, and runs without measurements or whose report cannot be
    written, each with the reason. A source that failed during its run is listed once.
    Raises SourceError if there is no run, and OutputError if index.html cannot be written, or
    exists, is not ours and `overwrite` is not set.
    """
    check_path("folder", folder, "a folder of runs")
    check_flag("overwrite", overwrite)
    if not (isinstance(failures, Sequence) and all(isinstance(f, Failure) for f in failures)):
        raise wrong_type("failures", failures, "a list of Failure")
    root = Path(folder)
    if not root.is_dir():
        raise SourceError(f"no such folder: {root}: give the folder of a run, or a folder of runs")
    check_replaceable(root / INDEX, overwrite)
    by_folder = {failure.folder.resolve(): failure for failure in failures if failure.folder}
    entries = [_entry(open_run(found), by_folder, overwrite) for found in find_runs(root)]
    if not entries and not failures:
        raise SourceError(
            f"no run in this folder: {root}: give a folder with a run.json, or one that contains "
            "such folders"
        )
    shown = [entry.failure for entry in entries]
    failures = [failure for failure in failures if failure not in shown]
    structures = {entry.run.class_name for entry in entries}
    structure = structures.pop() if len(structures) == 1 else _MIXED if structures else CLASS_NAME
    context = {
        "title": root.resolve().name,
        "structure": structure,
        "columns": [c.format(in_words(structure)) for c in _COLUMNS],
        "rows": [*map(_failed_row, failures), *(_row(root, entry) for entry in entries)],
        "tally": _tally(entries, failures),
    }
    path = write_page(
        root / INDEX, "index.html.j2", context,
        styles=("page.css", "index.css"), scripts=("index.js",), overwrite=overwrite,
    )  # fmt: skip
    return path, entries


_MIXED = "Structure"
_COLUMNS = (
    "Run",
    "Status",
    "Frames",
    "Duration",
    "With {}",
    "Confidence",
    "Area, px",
    "Flicker",
    "Warnings",
    "Speed, fps",
)


def _entry(run: Run, by_folder: Mapping[Path, Failure], overwrite: bool) -> IndexEntry:
    failure = by_folder.get(run.folder.resolve()) if run.status == UNFINISHED else None
    try:
        return IndexEntry(run, write_report(run.folder, overwrite=overwrite), failure=failure)
    except (SourceError, OutputError) as err:
        return IndexEntry(run, None, err, failure)


def _row(root: Path, entry: IndexEntry) -> dict[str, object]:
    run, report = entry.run, entry.report
    summary = report.summary if report else None
    fps, warnings = run.record.get("fps"), run.record.get("warnings", [])
    frames = summary.frames if summary else run.record.get("frames")

    def value(name: str) -> float | None:
        return getattr(summary, name) if summary else None

    def cell(value: float | None, shown: str) -> _Cell:
        return _Cell(shown, -1.0 if value is None else value)

    return {
        "folder": str(run.folder.relative_to(root)),
        "name": _name(entry.failure) if entry.failure else run.name,
        "status": entry.status,
        "url": address(root, report.path) if report else None,
        "error": entry.failure.reason if entry.failure else str(entry.error or "") or None,
        "cells": [
            cell(frames, number(frames)),
            cell(value("duration_s"), clock(summary.duration_s) if summary else NOT_KNOWN),
            cell(value("share"), percent(value("share"))),
            cell(value("confidence"), number(value("confidence"), 3)),
            cell(value("area_px"), number(value("area_px"))),
            cell(value("flicker"), percent(value("flicker"))),
            cell(len(warnings), number(len(warnings))),
            cell(fps, number(fps, 1)),
        ],
    }


def _failed_row(failure: Failure) -> dict[str, object]:
    return {
        "folder": failure.source,
        "name": _name(failure),
        "status": failure.status,
        "url": None,
        "error": failure.reason,
        "cells": [_Cell(NOT_KNOWN, -1.0)] * (len(_COLUMNS) - 2),
    }


def _name(failure: Failure) -> str:
    return Path(failure.source).name or failure.source


def _tally(entries: list[IndexEntry], failures: Sequence[Failure]) -> str:
    """Return the number of sources by status, in one line."""
    states = [entry.status for entry in entries] + [failure.status for failure in failures]
    counts = [f"{states.count(state)} {state}" for state in dict.fromkeys(sorted(states))]
    missing = sum(entry.report is None for entry in entries)
    frames = sum(entry.report.summary.frames for entry in entries if entry.report)
    return " · ".join(
        [
            f"{len(states)} sources",
            *counts,
            f"{number(frames)} frames",
            *([f"{missing} without a report"] if missing else []),
        ]
    )
