"""Show a run on the terminal: progress with fps, ETA and queues; one table at the end."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from cornea_stream import pipeline
from cornea_stream.batch import run_sources
from cornea_stream.frames import MediaInfo
from cornea_stream.run_types import RunOptions, RunResult
from cornea_stream.segmenter import Segmenter


def run_and_report(
    sources: Sequence[Path],
    output_dir: Path,
    segmenter: Segmenter,
    options: RunOptions,
    *,
    quiet: bool,
    verbose: bool,
    as_json: bool,
) -> int:
    """Process `sources`, show what happens, and return the exit code."""
    errors = Console(stderr=True)
    with _stop_on_interrupt(errors) as stop, _Bar(errors, disable=quiet) as bar:
        results, code = run_sources(
            sources, output_dir, segmenter, options,
            stop=stop, on_start=bar.start, on_progress=bar.advance,
        )  # fmt: skip
    if as_json:
        print_json(results)
    elif not quiet:
        _print_summary(Console(), results, segmenter, verbose)
    for result in results:
        if result.error:
            errors.print(f"[red]Error: {escape(result.error)}[/]", soft_wrap=True, highlight=False)
        elif result.status == "interrupted":
            errors.print(
                f"Interrupted after {result.frames} frames of {escape(result.source)} "
                f"(at {result.last_time_s or 0:.2f} s); what was written plays.",
                soft_wrap=True, highlight=False,
            )  # fmt: skip
    return code


def print_json(results: Sequence[RunResult]) -> None:
    """Print results as JSON on standard output."""
    content = [{**asdict(result), "fps": round(result.fps, 2)} for result in results]
    Console(soft_wrap=True).print_json(json.dumps(content))


class _Bar:
    """A progress bar of one source at a time."""

    def __init__(self, console: Console, *, disable: bool) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[fps]:5.1f} fps"),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[queues]}"),
            console=console,
            disable=disable or not console.is_terminal,
            transient=True,
        )
        self._task: TaskID | None = None
        self._began = 0.0

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def start(self, info: MediaInfo, frames: int | None) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(escape(info.name), total=frames, fps=0.0, queues="")
        self._began = time.perf_counter()

    def advance(self, state: pipeline.Progress) -> None:
        assert self._task is not None
        fps = state.frames / max(1e-9, time.perf_counter() - self._began)
        # The fullest queue stands before the slowest stage.
        name, (fill, depth) = max(state.queues.items(), key=lambda item: item[1][0])
        queues = f"{name} {fill}/{depth}"
        self._progress.update(self._task, completed=state.frames, fps=fps, queues=queues)


@contextmanager
def _stop_on_interrupt(console: Console) -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into an orderly stop; a second one interrupts at once.

    Once stopped the process is about to end, so Ctrl-C is not given back.
    """
    stop = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a third must not interrupt the clean-up
            raise KeyboardInterrupt
        stop.set()
        console.print("Stopping: finishing the frames in flight (Ctrl-C again to give up)…")

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        if not stop.is_set():
            signal.signal(signal.SIGINT, before)


def _print_summary(
    console: Console, results: Sequence[RunResult], segmenter: Segmenter, verbose: bool
) -> None:
    done = [result for result in results if not result.error]
    if not done:
        return
    engine = segmenter.engine.describe()
    table = Table(
        title=f"{engine['backend']} {engine['precision']} on {engine['device']}, "
        f"batch {engine['batch_size']}",
        title_justify="left",
    )
    for heading in ("source", "frames", "seconds", "fps", "status", "outputs"):
        table.add_column(heading, overflow="fold")
    for result in done:
        table.add_row(
            escape(Path(result.source).name),
            str(result.frames),
            f"{result.seconds:.1f}",
            f"{result.fps:.1f}",
            result.status,
            escape("\n".join([result.folder, *(f"  {name}" for name in result.outputs)])),
        )
    console.print(table)
    for scale in (result.scale for result in done if result.scale):
        if scale.mm_per_px is not None:
            console.print(f"Estimated: 1 px is {scale.mm_per_px:.4f} mm ({scale.basis})")
    for result in done:
        shown = result.warnings if verbose else result.warnings[:5]
        for warning in shown:
            console.print(f"[yellow]Warning: {escape(warning)}[/]", soft_wrap=True)
        if len(shown) < len(result.warnings):
            console.print(f"… and {len(result.warnings) - len(shown)} more warnings (--verbose)")
