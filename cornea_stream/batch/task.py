"""The unit of work, and what every executor does with it: in this process, in several, on Ray."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol, TypeAlias

from cornea_stream.chunks.cuts import Segment
from cornea_stream.chunks.run_chunk import run_segment
from cornea_stream.errors import EXIT_INTERNAL, CorneaStreamError
from cornea_stream.inference.segmenter import MaskSettings, Segmenter
from cornea_stream.media.address import Address
from cornea_stream.models.checkpoint import load_checkpoint
from cornea_stream.pipeline.pipeline import Progress
from cornea_stream.runs.options import RunOptions, RunResult
from cornea_stream.runs.run import run_into

STEP_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class Unit:
    """One piece of work, as plain data: a source, the folder of its outputs, what to make of it.

    With a `segment` only that is done, as a part. `notes` are warnings to be told with the result.
    """

    source: Path | Address
    folder: Path
    options: RunOptions
    segment: Segment | None = None
    notes: tuple[str, ...] = ()

    def absolute(self) -> Unit:
        """Return the same with paths that mean the same everywhere."""
        source = self.source.absolute() if isinstance(self.source, Path) else self.source
        return replace(self, source=source, folder=self.folder.absolute())


@dataclass(frozen=True, slots=True)
class Step:
    """A unit has begun (`progress` is None) or got further; `expected` frames in all, if known.

    `note` is a sentence for the user: a live source went away, or is back.
    """

    unit: Unit
    expected: int | None
    progress: Progress | None = None
    note: str | None = None


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


Results: TypeAlias = Generator[tuple[Unit, RunResult], None, None]


class Executor(Protocol):
    """Does units of work, in any order, any number at a time."""

    def run(
        self,
        units: Sequence[Unit],
        *,
        stop: threading.Event,
        on_step: Callable[[Step], None],
    ) -> Results:
        """Yield each unit with its result as it is done; a failure is a result too.

        After `stop` units in hand are ended early and no more are begun. Closing the iterator
        gives up what is in hand. Raises where nothing can be done at all, say without weights.
        """
        ...

    def describe(self) -> str:
        """Return who did the work, in words, once it has begun."""
        ...


class Here:
    """Does units one after the other, in this process."""

    def __init__(self, setup: Setup) -> None:
        """Take the plan for a segmenter; it is made when the first unit comes."""
        self._setup = setup
        self._engine = ""

    def run(
        self,
        units: Sequence[Unit],
        *,
        stop: threading.Event,
        on_step: Callable[[Step], None],
    ) -> Results:
        """Yield each unit with its result. Raises what making the segmenter raises."""
        segmenter = self._setup.build()
        self._engine = describe_engine(segmenter)
        for unit in units:
            if stop.is_set():
                return
            yield unit, run_unit(unit, segmenter, stop=stop, on_step=on_step)

    def describe(self) -> str:
        """Return the engine in words."""
        return self._engine


def run_unit(
    unit: Unit,
    segmenter: Segmenter,
    *,
    stop: threading.Event,
    on_step: Callable[[Step], None],
) -> RunResult:
    """Do one unit; whatever goes wrong is a failed result."""
    expected: int | None = None

    def begin(estimate: int | None) -> None:
        nonlocal expected
        expected = estimate
        on_step(Step(unit, expected))

    try:
        if unit.segment and isinstance(unit.source, Path):
            return run_segment(
                unit.source, unit.folder, segmenter, unit.options, unit.segment,
                stop=stop, on_progress=lambda progress: on_step(Step(unit, None, progress)),
            )  # fmt: skip
        return run_into(
            unit.source, unit.folder, segmenter, unit.options,
            stop=stop,
            on_start=lambda info, estimate: begin(estimate),
            on_progress=lambda progress: on_step(Step(unit, expected, progress)),
            on_note=lambda note: on_step(Step(unit, expected, note=note)),
            notes=unit.notes,
        )  # fmt: skip
    except Exception as err:  # one video must not stop the others
        return failure(unit, err)


def seldom(on_step: Callable[[Step], None]) -> Callable[[Step], None]:
    """Return `on_step` for a unit's first step, and then for one every STEP_EVERY_S at most."""
    told = float("-inf")

    def pass_on(step: Step) -> None:
        nonlocal told
        if step.progress is None or time.monotonic() - told >= STEP_EVERY_S:
            told = time.monotonic()
            on_step(step)

    return pass_on


def failure(unit: Unit, err: Exception) -> RunResult:
    """Return the result of a unit that `err` ended."""
    result = RunResult(str(unit.source), str(unit.folder), exit_code=EXIT_INTERNAL)
    result.traceback = "".join(traceback.format_exception(err))
    if isinstance(err, CorneaStreamError):
        return replace(result, error=str(err), exit_code=err.exit_code)
    told = f"internal error: {type(err).__name__}: {err}: please report it with --verbose output"
    return replace(result, error=f"{unit.source}: {told}")


def describe_engine(segmenter: Segmenter) -> str:
    """Return backend, precision, device and batch size in words."""
    engine = segmenter.engine.describe()
    return (
        f"{engine['backend']} {engine['precision']} on {engine['device']}, "
        f"batch {engine['batch_size']}"
    )
