"""Show a run on the terminal: progress with fps, ETA and queues; one table at the end."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cornea_stream.batch.discover import PassedOver
from cornea_stream.batch.run_batch import run_batch
from cornea_stream.batch.summary_csv import Summary
from cornea_stream.batch.task import Executor, SourceTask, Step
from cornea_stream.cli.messages import as_options
from cornea_stream.cli.next_steps import faster_engine, to_open
from cornea_stream.cli.progress import lateness, progress_bar
from cornea_stream.errors import EXIT_INTERRUPTED, ReaderGoneError
from cornea_stream.pipeline.worker import Worker
from cornea_stream.runs.result import RunResult

_STOPPING = "Stopping: finishing the frames in flight (press Ctrl-C again to quit)…"
LISTED = 12
"""Up to this many results are listed one by one; more are only counted."""


def run_and_report(
    tasks: Sequence[SourceTask],
    executor: Executor,
    output_dir: Path,
    *,
    quiet: bool,
    verbose: bool,
    as_json: bool,
    passed_over: Sequence[PassedOver] = (),
) -> int:
    """Run `tasks`, show progress and results, and return the exit code.

    Several tasks leave a summary.csv in `output_dir`. Nothing is shown if the reader of standard
    output has gone.
    """
    began = time.perf_counter()
    errors = Console(stderr=True)
    summary = Summary(output_dir, tasks, passed_over) if len(tasks) > 1 else None
    with _stop_on_interrupt(errors) as stop, progress_bar(tasks, errors, disable=quiet) as bar:

        def show(step: Step) -> None:
            # Quiet or not: nobody can guess the address of a preview.
            if step.note and (not quiet or step.task.is_watched):
                errors.print(escape(step.note), soft_wrap=True, highlight=False)
            bar.step(step)

        early = [task.failed for task in tasks if task.failed]
        told = early if len(early) < len(tasks) else []  # the others take their time
        for result in told:
            _print_error(errors, result, verbose)
        results, code = run_batch(
            tasks, executor,
            stop=stop, on_step=show, on_result=bar.result, summary=summary,
        )  # fmt: skip
    if code == ReaderGoneError.exit_code:
        return code
    if as_json:
        print_json(results, with_tracebacks=verbose)
    elif not quiet:
        console = Console(soft_wrap=True, highlight=False)
        _print_summary(console, results, executor.describe(), verbose)
        if summary:
            frames = sum(result.frames for result in results if result.status != "skipped")
            seconds = time.perf_counter() - began
            console.print(f"{frames} frames in {seconds:.1f} s, {frames / seconds:.1f} fps")
        if path := to_open(results, output_dir):
            console.print(f"Next, open {escape(str(path))}")
        if tip := faster_engine(results):
            console.print(f"Tip: {escape(tip)}")
    for result in results:
        if result.error and result not in told:
            _print_error(errors, result, verbose)
        elif result.status == "interrupted":
            errors.print(
                f"Interrupted after {result.frames} frames of {escape(result.source)} "
                f"(at {result.last_time_s or 0:.2f} s); the outputs play."
                if result.outputs or result.streams
                else f"Interrupted after {result.frames} frames of {escape(result.source)}; "
                "--resume continues with the remaining chunks.",
                soft_wrap=True, highlight=False,
            )  # fmt: skip
    if len(results) < len(tasks) and code == EXIT_INTERRUPTED:
        errors.print(
            f"Interrupted with {len(results)} of {len(tasks)} sources done: --resume continues."
            if len(tasks) > 1
            else "Interrupted before the first frame: nothing was written, run it again."
        )
    return code


def _print_error(errors: Console, result: RunResult, verbose: bool) -> None:
    if verbose and result.traceback:
        errors.print(escape(result.traceback), soft_wrap=True, highlight=False)
    sentence = escape(as_options(result.error or ""))
    errors.print(f"[red]Error: {sentence}[/]", soft_wrap=True, highlight=False)


def print_json(results: Sequence[RunResult], *, with_tracebacks: bool = False) -> None:
    """Print results as JSON on standard output."""
    content = [{**asdict(result), "fps": round(result.fps, 2)} for result in results]
    if not with_tracebacks:
        content = [{**each, "traceback": None} for each in content]
    Console(soft_wrap=True).print_json(json.dumps(content))


@contextmanager
def _stop_on_interrupt(console: Console) -> Iterator[threading.Event]:
    """Stop cleanly at the first Ctrl-C; quit immediately at the second.

    So with SIGTERM, by which systems end what they run. Once stopped the process is about to end,
    so neither is given back.
    """
    stop = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    notes: list[Worker] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            for one in signals:
                signal.signal(one, signal.SIG_IGN)  # a third must not interrupt the clean-up
            raise KeyboardInterrupt
        stop.set()
        # In a thread, since what is interrupted here may hold the locks of the terminal.
        notes.append(Worker(console.print, "note", _STOPPING))
        notes[0].start()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = [signal.signal(one, handle) for one in signals]
    try:
        yield stop
    finally:
        for note in notes:
            note.join(1)
        if not stop.is_set():
            for one, handler in zip(signals, before, strict=True):
                signal.signal(one, handler)


def _places(result: RunResult) -> list[str]:
    """Return the outputs, one a line: paths in a table would be broken and could not be copied."""
    files = [str(Path(result.folder) / name) for name in result.outputs] if result.folder else []
    return files + result.streams


def _print_summary(
    console: Console, results: Sequence[RunResult], engine: str, verbose: bool
) -> None:
    done = [result for result in results if not result.error]
    if engine:
        console.print(escape(engine), style="italic")
    if len(results) > LISTED:
        _print_counts(console, results)
    elif done:
        console.print(_table(done), soft_wrap=False)
        for place in (place for result in done for place in _places(result)):
            console.print(escape(place))
    paths = {""}
    for result in done if verbose or len(results) <= LISTED else []:
        if result.live:
            counts = f"{result.live.received} frames received, {result.live.shown} shown"
            console.print(f"{counts}, {lateness(result.live)}")
        told = "; ".join(f"{step}: {path}" for step, path in result.paths.items())
        if told not in paths:
            paths.add(told)
            console.print(escape(told), style="dim")
        if result.scale and result.scale.mm_per_px is not None:
            scale = result.scale
            console.print(f"Estimated: 1 px is {scale.mm_per_px:.4f} mm ({scale.basis})")
        shown = result.warnings if verbose else result.warnings[:5]
        for warning in shown:
            console.print(f"[yellow]Warning: {escape(as_options(warning))}[/]")
        if len(shown) < len(result.warnings):
            console.print(f"… and {len(result.warnings) - len(shown)} more warnings (--verbose)")


def _table(done: Sequence[RunResult]) -> Table:
    table = Table()
    for heading in ("source", "frames", "found in", "seconds", "fps", "status"):
        table.add_column(heading, overflow="fold")
    for result in done:
        table.add_row(
            escape(Path(result.source).name),
            str(result.frames),
            "?" if result.frames_found is None else str(result.frames_found),
            f"{result.seconds:.1f}",
            f"{result.fps:.1f}",
            result.status,
        )
    return table


def _print_counts(console: Console, results: Sequence[RunResult]) -> None:
    table = Table()
    for heading in ("status", "sources", "frames"):
        table.add_column(heading)
    frames = Counter[str]()
    for result in results:
        frames[result.status] += result.frames
    for status, count in Counter(result.status for result in results).items():
        table.add_row(status, str(count), str(frames[status]))
    console.print(table)
    warned = sum(bool(result.warnings) for result in results)
    if warned:
        console.print(f"[yellow]{warned} with warnings: see their run.json, or use --verbose[/]")
