"""Videos in chunks: dealt to another executor, as many at a time as it does."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from cornea_stream.batch.task import Executor, Results, SourceTask, Step, Task, failure
from cornea_stream.chunks.run_chunks import ChunkedRun
from cornea_stream.errors import UsageError
from cornea_stream.postprocess.smoothing import WEIGHTS


class ChunkingExecutor:
    """Passes long videos to another executor in chunks, and joins each when it is complete."""

    def __init__(self, executor: Executor, length_s: float, *, smooth: bool) -> None:
        """Cut into chunks of at least `length_s` seconds; `smooth`: whether masks are smoothed."""
        self._executor = executor
        self._length_s = length_s
        self._reach = len(WEIGHTS) // 2 if smooth else 0

    def run(
        self, tasks: Sequence[Task], *, stop: threading.Event, on_step: Callable[[Step], None]
    ) -> Results:
        """Yield each task with its result. Raises the errors of the other executor.

        Raises UsageError for live sources, streams and previews. Finished chunks of an incomplete
        video are kept next to its outputs, for `resume`.
        """
        for task in tasks:
            if not isinstance(task.source, Path) or task.is_watched:
                raise UsageError(
                    f"a live source, stream or preview is not cut: {task.source}: run it in one "
                    "piece, without chunks"
                )
        runs: list[ChunkedRun] = []
        try:
            for task in tasks:
                if stop.is_set():
                    return
                try:
                    assert isinstance(task, SourceTask)
                    runs.append(ChunkedRun(task, self._length_s, self._reach))
                except Exception as err:  # as `run_task`: one video must not stop the others
                    yield task, failure(task, err)
            yield from self._work(runs, stop, on_step)
        finally:
            for run in runs:
                run.close()

    def describe(self) -> str:
        """Return the description of the other executor."""
        return self._executor.describe()

    def _work(
        self, runs: Sequence[ChunkedRun], stop: threading.Event, on_step: Callable[[Step], None]
    ) -> Results:
        while owners := {task: run for run in runs for task in run.waiting}:
            if stop.is_set():
                break

            def relay(step: Step, owners: dict[Task, ChunkedRun] = owners) -> None:
                on_step(owners[step.task].step(step))

            done = self._executor.run(list(owners), stop=stop, on_step=relay)
            with contextlib.closing(done):
                for task, result in done:
                    if outcome := owners[task].take(task, result):
                        yield owners[task].task, outcome
        for run in runs:
            if outcome := run.interrupted():
                yield run.task, outcome
