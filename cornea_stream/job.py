"""One source's work: choose the sinks, run the pipeline, leave run.json beside the outputs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeAlias

from cornea_stream import manifest
from cornea_stream.address import Address, find_address
from cornea_stream.colour import parse_colour
from cornea_stream.errors import CorneaStreamError, OutputError, UsageError
from cornea_stream.frames import MediaInfo, Segmentation, source_name
from cornea_stream.live import LiveTally
from cornea_stream.overlay import YuvPainter
from cornea_stream.parts import ROWS, discard_parts, part_name
from cornea_stream.pipeline import Progress, run_pipeline
from cornea_stream.report import REPORT, check_report, write_report
from cornea_stream.report.sheet import SHEET, check_sheet, write_sheet
from cornea_stream.run_types import RunOptions, RunResult
from cornea_stream.scale import choose_scale
from cornea_stream.segmenter import MaskSettings, Segmenter
from cornea_stream.sinks import (
    EncoderSettings,
    MaskVideoSink,
    MetricsSink,
    OverlayVideoSink,
    PngSequenceSink,
    PolygonSink,
    Preview,
    StillSink,
    StreamSink,
    StreamTarget,
    VideoWriter,
    mask_frame,
)
from cornea_stream.sinks.files import write_file
from cornea_stream.sinks.rows import RowsSink
from cornea_stream.sinks.within import Within
from cornea_stream.source import NvdecSource, Source, is_image, open_source
from cornea_stream.source.pace import Paced
from cornea_stream.source.segments import Segment
from cornea_stream.stages import Sink

_Sinks: TypeAlias = list[tuple[str, Sink[Segmentation]]]


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
    with open_source(
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
    ) as source:
        # Before the work: the file may change meanwhile.
        fingerprint = None if isinstance(path, Address) else manifest.fingerprint(path)
        targets = plan_outputs(folder, path, options)
        result = RunResult(
            str(path), str(folder) if targets else "", outputs=[t.name for t in targets],
            streams=[*map(str, options.streams)],
        )  # fmt: skip
        if options.files:
            manifest.begin(folder)
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
    show(result, options)
    return result


def show(result: RunResult, options: RunOptions) -> None:
    """Make the summary and the report of a run that has ended, if wanted. Raises OutputError."""
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
        _check_targets(plan_outputs(folder, path, options), None, options.overwrite)
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
    _check_targets(plan_outputs(folder, path, options), path, replace)
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


def plan_outputs(folder: Path, source: Path | Address, options: RunOptions) -> list[Path]:
    """Return the files and folders that a run will make, run.json last."""
    if not options.files:
        return []
    still = isinstance(source, Path) and is_image(source) and source.is_file()
    wanted = {
        "overlay.png" if still else "overlay.mp4": options.overlay,
        "mask.png" if still else "mask.mkv": options.mask,
        "frames": options.frames,
        "metrics.csv": options.metrics,
        "metrics.parquet": options.parquet,
        "polygons.jsonl": options.polygons,
        manifest.NAME: True,
    }
    return [folder / name for name, want in wanted.items() if want]


def _check_targets(targets: list[Path], source: Path | None, overwrite: bool) -> None:
    for target in targets:
        if not target.exists():
            continue
        if source and (
            target.samefile(source)
            or (target.is_dir() and source.resolve().is_relative_to(target.resolve()))
        ):
            raise OutputError(f"output would replace the input: {target}: choose another -o")
        if not overwrite:
            raise OutputError(f"output exists: {target}: pass --overwrite, --resume or another -o")


@contextmanager
def open_sinks(
    folder: Path,
    info: MediaInfo,
    options: RunOptions,
    encoder: EncoderSettings,
    segment: Segment | None = None,
) -> Iterator[tuple[_Sinks, list[VideoWriter | StreamSink]]]:
    """Open every wanted sink, and give those that may warn; on an error, abort those open.

    For a `segment` these are the sinks of a part: videos begin at its start, without sound, and
    only the rows of tables get its context.
    """
    sinks: _Sinks = []
    warners: list[VideoWriter | StreamSink] = []
    try:
        if options.files:
            _open_files(sinks, warners, folder, info, options, encoder, segment)
        for target in options.streams:
            stream = _open_stream(target, info, options, encoder)
            sinks.append((str(target), stream))
            warners.append(stream)
        if options.preview:
            colour = parse_colour(options.color)
            sinks.append(("preview", Preview(options.preview, info, colour, options.opacity)))
        yield sinks, warners
    except BaseException:
        for _, sink in sinks:
            sink.abort()
        raise


def _open_files(
    sinks: _Sinks,
    warners: list[VideoWriter | StreamSink],
    folder: Path,
    info: MediaInfo,
    options: RunOptions,
    encoder: EncoderSettings,
    segment: Segment | None,
) -> None:
    """Add a sink for every wanted file."""
    colour, opacity = parse_colour(options.color), options.opacity
    offset_s = float(segment.start * info.time_base) if segment else options.start_s or 0.0
    still = info.kind == "image"

    def video(name: str, settings: EncoderSettings, audio: bool) -> VideoWriter:
        if segment:
            name, audio = part_name(name), False
        writer = VideoWriter(
            folder / name, info, settings, audio=audio, offset_s=offset_s, end_s=options.end_s
        )
        warners.append(writer)
        return writer

    if still and (options.overlay or options.mask):
        overlay = folder / "overlay.png" if options.overlay else None
        mask = folder / "mask.png" if options.mask else None
        sinks.append(("png", StillSink(overlay, mask, colour, opacity)))
    if options.overlay and not still:
        writer = video("overlay.mp4", encoder, audio=True)
        sinks.append(("overlay", OverlayVideoSink(writer, colour, opacity)))
    if options.mask and not still:
        sinks.append(
            ("mask", MaskVideoSink(video("mask.mkv", MaskVideoSink.SETTINGS, audio=False)))
        )
    if options.frames:
        sinks.append(("frames", PngSequenceSink(folder / "frames", colour, opacity)))
    wanted = {"metrics.csv": options.metrics, "metrics.parquet": options.parquet}
    if tables := [folder / name for name, want in wanted.items() if want]:
        scale = choose_scale(options.white_to_white_mm, options.mm_per_px, info)
        if segment:
            sinks.append(("metrics", RowsSink(folder / ROWS, scale)))
        else:
            sinks.append(("metrics", MetricsSink(tables, scale)))
    if options.polygons:
        sinks.append(("polygons", PolygonSink(folder / "polygons.jsonl")))
    if segment:
        sinks[:] = [(n, s if n == "metrics" else Within(s, segment)) for n, s in sinks]


def _open_stream(
    target: StreamTarget, info: MediaInfo, options: RunOptions, encoder: EncoderSettings
) -> StreamSink:
    """Return a sink for the overlay with sound, or for the mask alone."""
    if options.overlay:
        painter = YuvPainter(parse_colour(options.color), options.opacity)
        return StreamSink(
            target, info, encoder, painter,
            audio=True, offset_s=options.start_s or 0.0, end_s=options.end_s,
            may_break=options.files,
        )  # fmt: skip
    return StreamSink(
        target, info, MaskVideoSink.SETTINGS, mask_frame,
        offset_s=options.start_s or 0.0, may_break=options.files,
    )  # fmt: skip
