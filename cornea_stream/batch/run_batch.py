"""Runs many tasks: skips finished ones and collects all results."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence

from cornea_stream.batch.summary_csv import Summary
from cornea_stream.batch.task import Executor, SourceTask, Step, Task
from cornea_stream.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_PARTIAL, OutputError
from cornea_stream.runs.result import RunResult


def run_batch(
    tasks: Sequence[SourceTask],
    executor: Executor,
    *,
    stop: threading.Event,
    on_step: Callable[[Step], None],
    on_result: Callable[[Task, RunResult], None],
    summary: Summary | None = None,
) -> tuple[list[RunResult], int]:
    """Run `tasks`; return the results of started ones, in order, and the exit code.

    Settled tasks are not passed to the executor, so no network is loaded if all are settled. The
    exit code is 0 if all are complete, 130 if `stop` left some unfinished, that of the failure if
    none succeeded, and 6 if only some succeeded.
    """
    results: dict[Task, RunResult] = {}

    def note(task: Task, result: RunResult) -> None:
        results[task] = result
        on_result(task, result)
        if summary:
            with contextlib.suppress(
                OutputError
            ):  # other sources continue; the last write reports it
                summary.write(results)

    try:
        for task in tasks:
            if stop.is_set():
                break
            if task.is_settled:
                note(task, task.settle())
        todo = [task for task in tasks if not task.is_settled]
        if todo and not stop.is_set():
            with contextlib.closing(executor.run(todo, stop=stop, on_step=on_step)) as done:
                for finished, result in done:
                    note(finished, result)
    except BaseException:
        if summary:
            with contextlib.suppress(OutputError):
                summary.write(results, last=True)
        raise
    if summary:
        summary.write(results, last=True)
    ordered = [results[task] for task in tasks if task in results]
    left = len(ordered) < len(tasks) or any(r.status == "interrupted" for r in ordered)
    failures = [result for result in ordered if result.status == "failed"]
    return ordered, EXIT_INTERRUPTED if stop.is_set() and left else exit_code(
        failures, len(ordered)
    )


def exit_code(failures: Sequence[RunResult], sources: int) -> int:
    """Return the exit code of a batch of so many sources, some of which failed."""
    if not failures:
        return EXIT_OK
    return failures[0].exit_code if len(failures) == sources else EXIT_PARTIAL
