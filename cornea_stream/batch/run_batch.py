"""Many units of work: skip what is done, have the rest done, keep account of all."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence

from cornea_stream.batch.summary_csv import Summary
from cornea_stream.batch.task import Executor, Step, Unit, failure
from cornea_stream.errors import (
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_PARTIAL,
    CorneaStreamError,
    OutputError,
)
from cornea_stream.inference.segmenter import MaskSettings
from cornea_stream.runs.options import RunResult
from cornea_stream.runs.run import settle


def run_units(
    units: Sequence[Unit],
    executor: Executor,
    masks: MaskSettings,
    *,
    stop: threading.Event,
    on_step: Callable[[Step], None],
    on_result: Callable[[Unit, RunResult], None],
    summary: Summary | None = None,
) -> tuple[list[RunResult], int]:
    """Have `units` done; return the results of those that were begun, in order, and the exit code.

    With their `resume` units that are complete with `masks` and their options are skipped, without
    opening their source or loading the network. The code is 0 when all are complete, 130 after
    `stop`, the failure's own code when none succeeded, and 6 when only some did.
    """
    results: dict[Unit, RunResult] = {}

    def note(unit: Unit, result: RunResult) -> None:
        results[unit] = result
        on_result(unit, result)
        if summary:
            with contextlib.suppress(OutputError):  # the other sources go on; the last write tells
                summary.write(results)

    try:
        for unit in units:
            if stop.is_set():
                break
            if settled := _settled(unit, masks):
                note(unit, settled)
        todo = [unit for unit in units if unit not in results]
        if todo and not stop.is_set():
            with contextlib.closing(executor.run(todo, stop=stop, on_step=on_step)) as done:
                for unit, result in done:
                    note(unit, result)
    except BaseException:
        if summary:
            with contextlib.suppress(OutputError):
                summary.write(results, last=True)
        raise
    if summary:
        summary.write(results, last=True)
    ordered = [results[unit] for unit in units if unit in results]
    return ordered, EXIT_INTERRUPTED if stop.is_set() else _exit_code(ordered)


def _settled(unit: Unit, masks: MaskSettings) -> RunResult | None:
    """Return the result of a unit that needs no work, or that may not be begun."""
    try:
        return settle(unit.source, unit.folder, unit.options, masks)
    except (CorneaStreamError, OSError) as err:
        return failure(unit, err)


def _exit_code(results: Sequence[RunResult]) -> int:
    failures = [result.exit_code for result in results if result.status == "failed"]
    if not failures:
        return EXIT_OK
    return failures[0] if len(failures) == len(results) else EXIT_PARTIAL
