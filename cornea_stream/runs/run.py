"""Carries out one run plan: source, network, sinks and finally run.json."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from datetime import datetime, timezone
from os import PathLike
from pathlib import Path

from cornea_stream.errors import check_callback, check_flag, check_path, wrong_type
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.address import Address, as_path, find_address
from cornea_stream.media.frame import MediaInfo, source_name
from cornea_stream.pipeline.linked_event import LinkedEvent
from cornea_stream.pipeline.live_statistics import LiveTally
from cornea_stream.pipeline.pipeline import Progress, run_pipeline
from cornea_stream.pipeline.progress_bar import progress_bar
from cornea_stream.report import REPORT, discard_report, write_report
from cornea_stream.report.summary_figure import SHEET, discard_sheet, write_sheet
from cornea_stream.runs import manifest
from cornea_stream.runs.arguments import checked_segmenter
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.outputs import OutputContext, open_sinks
from cornea_stream.runs.plan import RunPlan, plan_run
from cornea_stream.runs.result import RunResult
from cornea_stream.sinks import SegmentationSink
from cornea_stream.sinks.presence import PresenceSink, warn_of_nothing
from cornea_stream.sources import Source
from cornea_stream.sources.open import open_reading
from cornea_stream.sources.pacing import Paced
from cornea_stream.storage import discard_scratch, hold_folder, write_run


def run_source(
    path: str | PathLike[str] | Address | int,
    output_dir: str | PathLike[str] = "output",
    segmenter: Segmenter | None = None,
    options: RunOptions | None = None,
    *,
    progress: bool = False,
    stop: threading.Event | None = None,
    on_start: Callable[[MediaInfo, int | None], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> RunResult:
    """Process one source into `output_dir`/<its name>/ and describe the run in run.json there.

    None as `segmenter` makes one with the default weights. `progress` shows a progress bar, also in
    notebooks. See `run_plan` for the callbacks.
    With `options.resume`, a run that is already complete with the same source, settings and weights
    is skipped; any other earlier run is done again.
    Raises a CorneaStreamError if the source cannot be read or an output cannot be written; outputs
    of an earlier run are then unchanged.

    Examples:
        >>> result = run_source("surgery.mp4", "output", options=RunOptions(metrics=True))
        >>> result.status, result.frames, result.outputs
        ('complete', 10, ['overlay.mp4', 'metrics.csv', 'run.json'])

    """
    source = find_address(path) or as_path(path)
    check_path("output_dir", output_dir, "the path of a folder")
    for callback, given in (("on_start", on_start), ("on_progress", on_progress)):
        check_callback(callback, given, "the progress")
    check_callback("on_note", on_note, "a sentence")
    if stop is not None and not isinstance(stop, threading.Event):
        raise wrong_type("stop", stop, "a threading.Event")
    check_flag("progress", progress)
    if options is not None and not isinstance(options, RunOptions):
        raise wrong_type("options", options, "RunOptions, such as RunOptions(mask=True)")
    segmenter = checked_segmenter(segmenter)
    name = source.name if isinstance(source, Address) else source_name(source)
    plan = plan_run(
        source, Path(output_dir) / name, options or RunOptions(), segmenter.mask_settings
    )

    def started(info: MediaInfo, expected: int | None) -> None:
        bar.total = expected
        if on_start:
            on_start(info, expected)

    def advanced(state: Progress) -> None:
        bar.update()
        if on_progress:
            on_progress(state)

    with progress_bar(disable=not progress) as bar:
        return run_plan(
            plan, segmenter, stop=stop, on_start=started, on_progress=advanced, on_note=on_note
        )


def run_plan(
    plan: RunPlan,
    segmenter: Segmenter,
    *,
    stop: threading.Event | None = None,
    on_start: Callable[[MediaInfo, int | None], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> RunResult:
    """Carry out a plan unless it is already finished.

    `stop` ends the run early with outputs that play. `on_start` is called with the properties of
    the source and the expected number of frames, and `on_progress` after every frame. `on_note`
    gets a sentence when a live source goes away or returns, and the address of the preview.
    Raises the same errors as `run_source`.
    """
    if plan.finished:
        return finish(plan)
    started, options = datetime.now(timezone.utc), plan.options
    tally = LiveTally() if plan.live else None
    ended = LinkedEvent(stop)
    with _open(plan, ended, on_note) as source, ExitStack() as held:
        if options.files:
            held.enter_context(hold_folder(plan.folder))
            plan.check_standing()
        if on_start:
            on_start(source.info, source.frame_estimate)
        result = RunResult(
            str(plan.source), str(plan.folder) if plan.files else "", outputs=plan.files
        )
        clock = time.perf_counter()

        def note(progress: Progress) -> None:
            result.frames, result.last_time_s = progress.frames, progress.time_s
            if on_progress:
                on_progress(progress)

        paced = Paced(source, ended) if plan.paced else None
        context = OutputContext(
            plan.folder, source.info, options, plan.encoder,
            offset_s=options.reading.start_s or 0.0, on_note=on_note or (lambda _: None),
        )  # fmt: skip
        with open_sinks(plan.outputs, context) as sinks:
            sinks = [*sinks, PresenceSink()]
            run_pipeline(
                paced or source, segmenter.stages, sinks,
                stop=ended, on_progress=note, live=tally,
            )  # fmt: skip
        result.status = "interrupted" if stop and stop.is_set() else "complete"
        result.seconds = time.perf_counter() - clock
        result.live = tally.report() if tally else None
        result.paths = describe_paths(source, segmenter)
        result.damaged_s = list(source.damaged_s)
        take_results(result, sinks)
        of_source = [*source.warnings, *(paced.warnings if paced else ())]
        weights = segmenter.checkpoint
        add_warnings(result, plan, of_source, weights.notes, weights.doubt)
        if options.files:
            write_run(
                plan.folder,
                manifest.describe(
                    result, source.info, plan.fingerprint, plan.settings, segmenter, started
                ),
            )
    show(result, options)
    return result


def _open(plan: RunPlan, stop: threading.Event, on_note: Callable[[str], None] | None) -> Source:
    options = plan.options
    return open_reading(
        plan.source,
        options.reading,
        live=plan.live,
        reconnect_s=options.reconnect_s,
        stop=stop,
        on_note=on_note,
        decoder=options.decoder,
    )


def take_results(result: RunResult, sinks: Sequence[SegmentationSink]) -> None:
    """Add the warnings and results of the closed sinks to `result`."""
    for sink in sinks:
        result.warnings += sink.warnings
        found = sink.result
        if found.encoder:
            result.paths["encode"] = found.encoder
        if found.stream:
            result.streams.append(found.stream)
        result.scale = found.scale or result.scale
        if found.frames_found is not None:
            result.frames_found = found.frames_found


def add_warnings(
    result: RunResult,
    plan: RunPlan,
    of_source: Iterable[str],
    notes: Iterable[str],
    doubt: str | None,
) -> None:
    """Add to the warnings of the sinks those of the weights (`notes`), the plan and the source.

    If nothing was found, that is the last one; `doubt` is the likely reason.
    """
    result.warnings = [
        *notes,
        *plan.notes,
        *of_source,
        *result.warnings,
        *warn_of_nothing(result.frames, result.frames_found, doubt),
    ]


def finish(plan: RunPlan) -> RunResult:
    """Return the result of a finished plan; write its summary and report if missing."""
    assert plan.finished is not None
    discard_scratch(plan.folder)
    if plan.options.summary and not (plan.folder / SHEET).exists():
        write_sheet(plan.folder)
    if plan.options.report and not (plan.folder / REPORT).exists():
        write_report(plan.folder)
    return plan.finished


def show(result: RunResult, options: RunOptions) -> None:
    """Write the requested summary and report of a completed run; remove older ones.

    Raises OutputError.
    """
    if result.folder:
        discard_sheet(Path(result.folder))
        discard_report(Path(result.folder))
    if options.summary and result.frames:
        result.outputs.append(write_sheet(result.folder, overwrite=options.overwrite).name)
    if options.report and result.frames:
        result.outputs.append(write_report(result.folder, overwrite=options.overwrite).path.name)


def describe_paths(source: Source, segmenter: Segmenter) -> dict[str, str]:
    """Return what decoded, preprocessed and ran the network, in words."""
    engine = segmenter.engine.describe()
    return {
        "decode": source.decoder,
        "preprocess": str(engine.get("preprocess", "CPU")),
        "network": str(engine.get("network", engine["backend"])),
    }
