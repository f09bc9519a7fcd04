"""One source's work: open it, run the pipeline, leave run.json beside the outputs."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

from cornea_stream.chunks.parts import discard_parts
from cornea_stream.errors import CorneaStreamError, UsageError
from cornea_stream.inference.segmenter import MaskSettings, Segmenter
from cornea_stream.media.address import Address, find_address
from cornea_stream.media.frame import MediaInfo, source_name
from cornea_stream.pipeline.live_statistics import LiveTally
from cornea_stream.pipeline.pipeline import Progress, run_pipeline
from cornea_stream.report import REPORT, check_report, discard_report, write_report
from cornea_stream.report.summary_figure import SHEET, check_sheet, discard_sheet, write_sheet
from cornea_stream.runs import manifest
from cornea_stream.runs.options import RunOptions, RunResult
from cornea_stream.runs.outputs import check_targets, open_sinks, plan_outputs
from cornea_stream.sinks import MetricsSink, Preview
from cornea_stream.sources import NvdecSource, Source, open_source
from cornea_stream.sources.pacing import Paced
from cornea_stream.storage import write_file


def run_source(
    path: str | Path | Address,
    output_dir: str | Path,
    segmenter: Segmenter,
    options: RunOptions | None = None,
    *,
    stop: threading.Event | None = None,
    on_start: Callable[[MediaInfo, int | None], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> RunResult:
    """Process one source into `output_dir`/<its name>/, as `run_into` does."""
    source = find_address(path) or Path(str(path))
    name = source.name if isinstance(source, Address) else source_name(source)
    return run_into(
        source, Path(output_dir) / name, segmenter, options,
        stop=stop, on_start=on_start, on_progress=on_progress, on_note=on_note,
    )  # fmt: skip


def run_into(
    path: Path | Address,
    folder: Path,
    segmenter: Segmenter,
    options: RunOptions | None = None,
    *,
    stop: threading.Event | None = None,
    on_start: Callable[[MediaInfo, int | None], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_note: Callable[[str], None] | None = None,
    notes: Sequence[str] = (),
) -> RunResult:
    """Process one source into `folder` and describe the run in run.json there.

    `stop` ends the run early with playable outputs. `on_start` gets what is known of the source
    and the number of frames to expect; `on_progress` is called after every frame; `on_note` gets
    a sentence when a live source goes away and when it is back, and where the preview is. `notes`
    are warnings that the caller has already.
    Raises a CorneaStreamError when the source cannot be read or an output not be written; outputs
    of an earlier run are then as they were. With `options.resume` a run that is complete already,
    with the same source, settings and weights, is skipped, and any other earlier run is redone.
    """
    options = options or RunOptions()
    encoder = options.check()
    started = datetime.now(timezone.utc)
    tally = LiveTally() if _is_live(path, options) else None
    if skipped := settle(path, folder, options, segmenter.mask_settings):
        return skipped
    with (
        open_source(
            path,
            start_s=options.start_s,
            end_s=options.end_s,
            every=options.every,
            strict=options.strict,
            max_megapixels=options.max_megapixels,
            live=tally is not None,
            reconnect_s=options.reconnect_s,
            stop=stop,
            on_note=on_note,
            decoder=options.decoder,
        ) as source,
        contextlib.ExitStack() as held,
    ):
        # Before the work: the file may change meanwhile.
        fingerprint = None if isinstance(path, Address) else manifest.fingerprint(path)
        targets = plan_outputs(folder, path, options)
        result = RunResult(
            str(path), str(folder) if targets else "", outputs=[t.name for t in targets],
            streams=[*map(str, options.streams)],
        )  # fmt: skip
        if options.files:
            held.enter_context(manifest.at_work(folder))
        clock = time.perf_counter()

        def note(progress: Progress) -> None:
            result.frames, result.last_time_s = progress.frames, progress.time_s
            if on_progress:
                on_progress(progress)

        try:
            if on_start:
                on_start(source.info, source.frame_estimate)
            with open_sinks(folder, source.info, options, encoder) as (sinks, warners):
                for preview in (sink for _, sink in sinks if isinstance(sink, Preview)):
                    (on_note or (lambda _: None))(f"Preview: {preview.address}")
                paced = Paced(source, stop) if options.paced and not tally else None
                run_pipeline(
                    paced or source, segmenter, sinks, stop=stop, on_progress=note, live=tally
                )
            result.status = "interrupted" if stop and stop.is_set() else "complete"
            result.paths = describe_paths(source, segmenter)
            if options.overlay and source.info.kind != "image":
                result.paths["encode"] = encoder.codec
            result.damaged_s = source.damaged_s
            result.warnings = [*notes, *source.warnings, *(w for v in warners for w in v.warnings)]
            if paced:
                result.warnings += paced.warnings
            for metrics in (sink for _, sink in sinks if isinstance(sink, MetricsSink)):
                result.scale, result.warnings = metrics.scale, [*result.warnings, *metrics.warnings]
        except CorneaStreamError as err:
            result.error = str(err)
            raise
        finally:
            result.seconds = time.perf_counter() - clock
            result.live = tally.report() if tally else None
            if options.files and result.status != "failed":
                told = manifest.describe(
                    result, source.info, fingerprint, segmenter, options, started
                )
                content = json.dumps(told, indent=2, default=str) + "\n"
                write_file(folder / manifest.NAME, content.encode())
                discard_parts(folder)
            elif options.files:
                manifest.give_up(folder)
    show(result, options)
    return result


def show(result: RunResult, options: RunOptions) -> None:
    """Make the summary and the report of a run that has ended, if wanted; none other stays.

    Raises OutputError.
    """
    if result.folder:
        discard_sheet(Path(result.folder))
        discard_report(Path(result.folder))
    if options.summary and result.frames:
        picture = write_sheet(result.folder, overwrite=options.overwrite)
        result.outputs.append(picture.name)
    if options.report and result.frames:
        page = write_report(result.folder, overwrite=options.overwrite).path
        result.outputs.append(page.name)


def describe_paths(source: Source, segmenter: Segmenter) -> dict[str, str]:
    """Return who decoded, preprocessed and ran the network, in words."""
    engine = segmenter.engine.describe()
    return {
        "decode": source.decoder if isinstance(source, NvdecSource) else "CPU",
        "preprocess": str(engine.get("preprocess", "CPU")),
        "network": str(engine.get("network", engine["backend"])),
    }


def settle(
    path: Path | Address, folder: Path, options: RunOptions, masks: MaskSettings
) -> RunResult | None:
    """Return the skipped result of a source that is complete already, None where work is left.

    The source is not opened; a summary or report that is wanted and missing is made of its outputs.
    Raises OutputError where outputs stand that may not be replaced.
    """
    if isinstance(path, Address):
        check_targets(plan_outputs(folder, path, options), None, options.overwrite)
        return None
    if not path.exists():
        return None  # opening it will tell
    if (
        options.resume
        and options.files
        and (
            told := manifest.find_complete(
                folder, manifest.fingerprint(path), manifest.settings(options, masks)
            )
        )
    ):
        discard_parts(folder)
        if options.summary and not (folder / SHEET).exists():
            write_sheet(folder)
        if options.report and not (folder / REPORT).exists():
            write_report(folder)
        return RunResult(
            str(path), str(folder), "skipped", told["frames"], told["seconds"],
            told["last_time_s"], told["outputs"],
        )  # fmt: skip
    if options.summary:
        check_sheet(folder, options.overwrite)
    if options.report:
        check_report(folder, options.overwrite)
    # With --resume what an earlier run left is the tool's own to replace.
    replace = options.overwrite or (options.resume and manifest.is_own(folder))
    check_targets(plan_outputs(folder, path, options), path, replace)
    return None


def _is_live(source: Path | Address, options: RunOptions) -> bool:
    """Whether frames may be dropped. Raises UsageError for what only files, or streams, can."""
    if isinstance(source, Path):
        if options.live:
            raise UsageError(f"not a live source: {source}: leave --live out")
        return False
    if options.resume:
        raise UsageError(f"a stream cannot be resumed: {source}: choose another -o")
    return source.endless if options.live is None else options.live
