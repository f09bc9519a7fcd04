"""Progress on the terminal: by frames for one source, by bytes for several."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from cornea_stream.batch.task import Step, Task
from cornea_stream.media.address import Address
from cornea_stream.pipeline.live_statistics import LiveReport
from cornea_stream.runs.result import RunResult

_FPS, _NOTE = TextColumn("{task.fields[fps]:5.1f} fps"), TextColumn("[dim]{task.fields[note]}")


def progress_bar(tasks: Sequence[Task], console: Console, *, disable: bool) -> Bar:
    """Return the progress bar for these tasks; it is only drawn on terminals."""
    disable = disable or not console.is_terminal
    return SourceBar(console, disable) if len(tasks) == 1 else ArchiveBar(tasks, console, disable)


def lateness(live: LiveReport) -> str:
    """Return dropped frames and latency in words."""
    return (
        f"{live.dropped} dropped, latency p50 {live.latency_p50_ms:.0f} ms, "
        f"p95 {live.latency_p95_ms:.0f} ms"
    )


class Bar(ABC):
    """A progress line; frames per second are counted from its start."""

    def __init__(self, console: Console, disable: bool, *columns: ProgressColumn) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), *columns,
            console=console, disable=disable, transient=True,
        )  # fmt: skip
        self._began: float | None = None

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    @abstractmethod
    def step(self, step: Step) -> None:
        """Show the progress of a task."""

    @abstractmethod
    def result(self, task: Task, result: RunResult) -> None:
        """Show that a task is done."""

    def _fps(self, frames: int) -> float:
        now = time.perf_counter()
        self._began = now if self._began is None else self._began
        return frames / max(1e-9, now - self._began)


class SourceBar(Bar):
    """One source: its frames and the fullest queue, or the latency of a live source."""

    def __init__(self, console: Console, disable: bool) -> None:
        super().__init__(console, disable, MofNCompleteColumn(), _FPS, TimeRemainingColumn(), _NOTE)
        self._bar: TaskID | None = None

    def step(self, step: Step) -> None:
        """Show the progress of the source."""
        state = step.progress
        if self._bar is None:
            name = escape(step.task.folder.name)
            self._bar = self._progress.add_task(name, total=step.expected, fps=0.0, note="")
        fps = self._fps(state.frames if state else 0)
        if state:
            if state.live:
                note = lateness(state.live)
            else:  # the fullest queue is in front of the slowest stage
                name, (fill, depth) = max(state.queues.items(), key=lambda item: item[1][0])
                note = f"{name} {fill}/{depth}"
            self._progress.update(self._bar, completed=state.frames, fps=fps, note=note)

    def result(self, task: Task, result: RunResult) -> None:
        """Keep the line."""


class ArchiveBar(Bar):
    """Several sources: the number done, the total speed, and the remaining time by bytes."""

    def __init__(self, tasks: Sequence[Task], console: Console, disable: bool) -> None:
        super().__init__(console, disable, _FPS, TimeRemainingColumn(), _NOTE)
        self._bytes = {task: _size(task.source) for task in tasks}
        self._share = dict.fromkeys(tasks, 0.0)
        self._frames = dict.fromkeys(tasks, 0)
        self._results: dict[Task, RunResult] = {}
        self._bar = self._progress.add_task("", total=sum(self._bytes.values()), fps=0.0, note="")
        self._show()

    def step(self, step: Step) -> None:
        """Show the total progress after a step of one task."""
        if step.progress:
            self._frames[step.task] = step.progress.frames
            if step.expected:
                self._share[step.task] = min(1.0, step.progress.frames / step.expected)
        self._show()

    def result(self, task: Task, result: RunResult) -> None:
        """Show that another task is done; skipped ones are not counted in the estimate."""
        self._results[task] = result
        self._share[task] = 1.0
        if result.status == "skipped":
            self._bytes[task] = 0
        else:
            self._frames[task] = result.frames
        self._show()

    def _show(self) -> None:
        failed = sum(result.status == "failed" for result in self._results.values())
        self._progress.update(
            self._bar,
            description=f"{len(self._results)}/{len(self._bytes)} sources",
            total=sum(self._bytes.values()),
            completed=sum(self._bytes[task] * share for task, share in self._share.items()),
            fps=self._fps(sum(self._frames.values())),
            note=f"{failed} failed" if failed else "",
        )


def _size(path: Path | Address) -> int:
    """Return the bytes of a file or of the files in a folder; 0 if it does not exist."""
    if isinstance(path, Address):
        return 0
    try:
        files = path.iterdir() if path.is_dir() else [path]
        return sum(file.stat().st_size for file in files)
    except OSError:
        return 0
