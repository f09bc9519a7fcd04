"""The outputs of a run: which files there will be, and a sink for each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from cornea_stream.chunks.cuts import Segment
from cornea_stream.chunks.parts import ROWS, part_name
from cornea_stream.chunks.rows import RowsSink
from cornea_stream.chunks.within import Within
from cornea_stream.errors import OutputError
from cornea_stream.media.address import Address
from cornea_stream.media.color import parse_color
from cornea_stream.media.frame import MediaInfo, Segmentation
from cornea_stream.media.overlay import YuvPainter
from cornea_stream.pipeline.queues import Sink
from cornea_stream.postprocess.pixel_spacing import choose_scale
from cornea_stream.runs import manifest
from cornea_stream.runs.options import RunOptions
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
from cornea_stream.sources import is_image

_Sinks: TypeAlias = list[tuple[str, Sink[Segmentation]]]


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


def check_targets(targets: list[Path], source: Path | None, overwrite: bool) -> None:
    """Raise OutputError where an output would replace the input, or what may not be replaced."""
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
            color = parse_color(options.color)
            sinks.append(("preview", Preview(options.preview, info, color, options.opacity)))
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
    color, opacity = parse_color(options.color), options.opacity
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
        sinks.append(("png", StillSink(overlay, mask, color, opacity)))
    if options.overlay and not still:
        writer = video("overlay.mp4", encoder, audio=True)
        sinks.append(("overlay", OverlayVideoSink(writer, color, opacity)))
    if options.mask and not still:
        sinks.append(
            ("mask", MaskVideoSink(video("mask.mkv", MaskVideoSink.SETTINGS, audio=False)))
        )
    if options.frames:
        sinks.append(("frames", PngSequenceSink(folder / "frames", color, opacity)))
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
        painter = YuvPainter(parse_color(options.color), options.opacity)
        return StreamSink(
            target, info, encoder, painter,
            audio=True, offset_s=options.start_s or 0.0, end_s=options.end_s,
            may_break=options.files,
        )  # fmt: skip
    return StreamSink(
        target, info, MaskVideoSink.SETTINGS, mask_frame,
        offset_s=options.start_s or 0.0, may_break=options.files,
    )  # fmt: skip
