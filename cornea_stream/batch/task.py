"""The unit of work, and the interface of executors: this process, several, or Ray."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeAlias

from cornea_stream.batch.setup import Setup
from cornea_stream.errors import EXIT_INTERNAL, CorneaStreamError
from cornea_stream.inference.segmenter import MaskSettings, Segmenter
from cornea_stream.media.address import Address
from cornea_stream.pipeline.pipeline import Progress
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.plan import RunPlan, plan_run
from cornea_stream.runs.result import RunResult
from cornea_stream.runs.run import finish, run_plan

STEP_EVERY_S = 0.2


class Task(Protocol):
    """A unit of work as plain data: a source, its output folder, and how to process it."""

    @property
    def source(self) -> Path | Address:
        """The source."""
        ...

    @property
    def folder(self) -> Path:
        """The output folder."""
        ...

    @property
    def is_watched(self) -> bool:
        """Whether the run is watched live and must stay in this process."""
        ...

    def run(
        self,
        segmenter: Segmenter,
        *,
        stop: threading.Event,
        on_step: Callable[[Step], None],
    ) -> RunResult:
        """Run the task. Raises CorneaStreamError, and any exception for a bug."""
        ...

    def again(self) -> Task:
        """Return the task to run after its worker was lost."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """A task has started (`progress` is None) or progressed; `expected` is its number of frames.

    `note` is a sentence for the user: a live source went away or returned.
    """

    task: Task
    expected: int | None
    progress: Progress | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SourceTask:
    """A whole source: its plan, or the failed result if it could not be planned."""

    source: Path | Address
    folder: Path
    options: RunOptions
    masks: MaskSettings
    plan: RunPlan | None = None
    failed: RunResult | None = None

    @property
    def is_watched(self) -> bool:
        """Whether the run streams or serves a preview."""
        return self.options.is_watched

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to do: it is already complete, or failed."""
        return self.plan is None or self.plan.finished is not None

    def settle(self) -> RunResult:
        """Return the result of a settled task; write its summary and report if requested."""
        if self.failed is not None:
            return self.failed
        assert self.plan is not None
        try:
            return finish(self.plan)
        except (CorneaStreamError, OSError) as err:
            return failure(self, err)

    def run(
        self,
        segmenter: Segmenter,
        *,
        stop: threading.Event,
        on_step: Callable[[Step], None],
    ) -> RunResult:
        """Carry out the plan."""
        if self.plan is None:
            return self.settle()
        expected: int | None = None

        def begin(estimate: int | None) -> None:
            nonlocal expected
            expected = estimate
            on_step(Step(self, expected))

        return run_plan(
            self.plan, segmenter,
            stop=stop,
            on_start=lambda info, estimate: begin(estimate),
            on_progress=lambda progress: on_step(Step(self, expected, progress)),
            on_note=lambda note: on_step(Step(self, expected, note=note)),
        )  # fmt: skip

    def again(self) -> SourceTask:
        """Return the task with a new plan that replaces leftovers of the lost one."""
        options = replace(self.options, resume=True)
        task = plan_source(self.source, self.folder, options, self.masks)
        if task.plan and task.plan.finished:  # it was completed just before the loss
            done = replace(task.plan.finished, status="complete")
            return replace(task, plan=replace(task.plan, finished=done))
        return task


def plan_source(
    source: Path | Address,
    folder: Path,
    options: RunOptions,
    masks: MaskSettings,
    *,
    try_source: bool = False,
) -> SourceTask:
    """Return the task of a source; if it cannot be planned, the task has failed.

    `try_source` reads the first frame of a file, so that an unreadable one fails here.
    """
    task = SourceTask(source, folder, options, masks)
    try:
        return replace(task, plan=plan_run(source, folder, options, masks, try_source=try_source))
    except (CorneaStreamError, OSError) as err:
        return replace(task, failed=failure(task, err))


Results: TypeAlias = Generator[tuple[Task, RunResult], None, None]


class Executor(Protocol):
    """Runs tasks in any order, any number at a time."""

    def run(
        self,
        tasks: Sequence[Task],
        *,
        stop: threading.Event,
        on_step: Callable[[Step], None],
    ) -> Results:
        """Yield each task with its result when it is done; a failure is also a result.

        After `stop`, running tasks end early and no more are started. Closing the iterator
        abandons running tasks. Raises if no task can run at all, for example without weights.
        """
        ...

    def describe(self) -> str:
        """Return a description of the engine once it is loaded."""
        ...


class Here:
    """Runs tasks one after another in this process."""

    def __init__(self, setup: Setup) -> None:
        """Store the setup; the segmenter is built for the first task."""
        self._setup = setup
        self._engine = ""

    def run(
        self,
        tasks: Sequence[Task],
        *,
        stop: threading.Event,
        on_step: Callable[[Step], None],
    ) -> Results:
        """Yield each task with its result. Raises the errors of building the segmenter."""
        segmenter = self._setup.build()
        self._engine = describe_engine(segmenter)
        for task in tasks:
            if stop.is_set():
                return
            yield task, run_task(task, segmenter, stop=stop, on_step=on_step)

    def describe(self) -> str:
        """Return the engine in words."""
        return self._engine


def run_task(
    task: Task,
    segmenter: Segmenter,
    *,
    stop: threading.Event,
    on_step: Callable[[Step], None],
) -> RunResult:
    """Run one task; any error becomes a failed result."""
    try:
        return task.run(segmenter, stop=stop, on_step=on_step)
    except Exception as err:  # one video must not stop the others
        return failure(task, err)


def seldom(on_step: Callable[[Step], None]) -> Callable[[Step], None]:
    """Return `on_step` limited to the first step and one per STEP_EVERY_S."""
    passed = float("-inf")

    def pass_on(step: Step) -> None:
        nonlocal passed
        if step.progress is None or time.monotonic() - passed >= STEP_EVERY_S:
            passed = time.monotonic()
            on_step(step)

    return pass_on


def failure(task: Task, err: Exception) -> RunResult:
    """Return the failed result of a task that ended with `err`."""
    result = RunResult(str(task.source), str(task.folder), exit_code=EXIT_INTERNAL)
    result.traceback = "".join(traceback.format_exception(err))
    if isinstance(err, CorneaStreamError):
        return replace(result, error=str(err), exit_code=err.exit_code)
    cause = f"internal error: {type(err).__name__}: {err}: please report it with --verbose output"
    return replace(result, error=f"{task.source}: {cause}")


def describe_engine(segmenter: Segmenter) -> str:
    """Return backend, precision, device and batch size in words."""
    engine = segmenter.engine.describe()
    return (
        f"{engine['backend']} {engine['precision']} on {engine['device']}, "
        f"batch {engine['batch_size']}"
    )
