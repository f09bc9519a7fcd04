"""The unit of work, and what every executor does with it: in this process, in several, on Ray."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol, TypeAlias

from cornea_stream.errors import EXIT_INTERNAL, CorneaStreamError
from cornea_stream.inference.segmenter import MaskSettings, Segmenter
from cornea_stream.media.address import Address
from cornea_stream.models.checkpoint import load_checkpoint
from cornea_stream.pipeline.pipeline import Progress
from cornea_stream.runs.options import RunOptions, RunResult
from cornea_stream.runs.plan import RunPlan, plan_run
from cornea_stream.runs.run import finish, run_plan

STEP_EVERY_S = 0.2


class Task(Protocol):
    """One piece of work, as plain data: a source, the folder of its outputs, how to do it."""

    @property
    def source(self) -> Path | Address:
        """What is read."""
        ...

    @property
    def folder(self) -> Path:
        """Where the outputs go."""
        ...

    @property
    def is_watched(self) -> bool:
        """Whether somebody follows the run, so that it stays in this process."""
        ...

    def run(
        self,
        segmenter: Segmenter,
        *,
        stop: threading.Event,
        on_step: Callable[[Step], None],
    ) -> RunResult:
        """Do the work. Raises CorneaStreamError, and whatever a defect raises."""
        ...

    def again(self) -> Task:
        """Return the task as it is to be done after whoever worked on it was lost."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """A task has begun (`progress` is None) or got further; `expected` frames in all, if known.

    `note` is a sentence for the user: a live source went away, or is back.
    """

    task: Task
    expected: int | None
    progress: Progress | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SourceTask:
    """A whole source: its plan, or, if it could not be planned, the result that says why."""

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
        """Whether nothing is to be done: it is complete already, or cannot be done."""
        return self.plan is None or self.plan.finished is not None

    def settle(self) -> RunResult:
        """Return the result of a settled task, with its summary and report drawn if wanted."""
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
        """Return the task planned anew; what the lost one left is replaced."""
        options = replace(self.options, resume=True)
        task = plan_source(self.source, self.folder, options, self.masks)
        if task.plan and task.plan.finished:  # the lost one had just completed it
            done = replace(task.plan.finished, status="complete")
            return replace(task, plan=replace(task.plan, finished=done))
        return task


def plan_source(
    source: Path | Address, folder: Path, options: RunOptions, masks: MaskSettings
) -> SourceTask:
    """Return the task of a source; one that cannot be planned is a task that has failed."""
    task = SourceTask(source, folder, options, masks)
    try:
        return replace(task, plan=plan_run(source, folder, options, masks))
    except (CorneaStreamError, OSError) as err:
        return replace(task, failed=failure(task, err))


@dataclass(frozen=True, slots=True)
class Setup:
    """How to make a `Segmenter`, as plain data; its arguments, which `Segmenter` explains."""

    checkpoint: Path | None = None
    device: str = "auto"
    backend: str = "auto"
    precision: str = "auto"
    batch_size: int | None = None
    calibration: Path | None = None
    threshold: float = 0.5
    raw: bool = False
    smooth: bool = False

    def absolute(self) -> Setup:
        """Return the same with paths that mean the same everywhere."""
        return replace(
            self,
            checkpoint=self.checkpoint and self.checkpoint.absolute(),
            calibration=self.calibration and self.calibration.absolute(),
        )

    def build(self) -> Segmenter:
        """Load the weights onto the device. Raises as `Segmenter` does."""
        return Segmenter(**asdict(self))

    def mask_settings(self) -> MaskSettings:
        """Return what `build().mask_settings` would be, without building an engine.

        Raises CheckpointError.
        """
        weights = load_checkpoint(self.checkpoint).sha256
        return MaskSettings(
            weights, self.precision, self.threshold, self.raw, self.smooth,
            MaskSettings.calibrated_on(self.calibration),
        )  # fmt: skip


Results: TypeAlias = Generator[tuple[Task, RunResult], None, None]


class Executor(Protocol):
    """Does tasks, in any order, any number at a time."""

    def run(
        self,
        tasks: Sequence[Task],
        *,
        stop: threading.Event,
        on_step: Callable[[Step], None],
    ) -> Results:
        """Yield each task with its result as it is done; a failure is a result too.

        After `stop` tasks in hand are ended early and no more are begun. Closing the iterator
        gives up what is in hand. Raises if nothing can be done at all, say without weights.
        """
        ...

    def describe(self) -> str:
        """Return who did the work, in words, once it has begun."""
        ...


class Here:
    """Does tasks one after the other, in this process."""

    def __init__(self, setup: Setup) -> None:
        """Take the plan for a segmenter; it is made when the first task comes."""
        self._setup = setup
        self._engine = ""

    def run(
        self,
        tasks: Sequence[Task],
        *,
        stop: threading.Event,
        on_step: Callable[[Step], None],
    ) -> Results:
        """Yield each task with its result. Raises what making the segmenter raises."""
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
    """Do one task; whatever goes wrong is a failed result."""
    try:
        return task.run(segmenter, stop=stop, on_step=on_step)
    except Exception as err:  # one video must not stop the others
        return failure(task, err)


def seldom(on_step: Callable[[Step], None]) -> Callable[[Step], None]:
    """Return `on_step` for a task's first step, and then for one every STEP_EVERY_S at most."""
    passed = float("-inf")

    def pass_on(step: Step) -> None:
        nonlocal passed
        if step.progress is None or time.monotonic() - passed >= STEP_EVERY_S:
            passed = time.monotonic()
            on_step(step)

    return pass_on


def failure(task: Task, err: Exception) -> RunResult:
    """Return the result of a task that `err` ended."""
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
