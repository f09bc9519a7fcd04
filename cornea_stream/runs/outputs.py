"""The outputs of a run: their files and how to open their sinks.

A new output format is a sink in `sinks/`, a function here that opens it, and a line in
`choose_outputs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cornea_stream.media.frame import MediaInfo
from cornea_stream.media.overlay import YuvPainter
from cornea_stream.postprocess.pixel_spacing import choose_scale
from cornea_stream.runs.options import RunOptions
from cornea_stream.sinks import (
    EncoderSettings,
    LineSink,
    MaskVideoSink,
    MetricsSink,
    OverlayVideoSink,
    PngSequenceSink,
    PolygonSink,
    Preview,
    PreviewSettings,
    SegmentationSink,
    StillSink,
    StreamSink,
    StreamTarget,
    VideoFile,
    mask_frame,
)


@dataclass(frozen=True, slots=True)
class OutputContext:
    """The arguments for opening sinks: folder, source, options and encoder.

    Videos begin at `offset_s` of the source. `on_note` is called with sentences for the user.
    """

    folder: Path
    info: MediaInfo
    options: RunOptions
    encoder: EncoderSettings
    offset_s: float
    audio: bool = True
    on_note: Callable[[str], None] = lambda note: None


@dataclass(frozen=True, slots=True)
class Output:
    """A sink to open, and the names of its files or folders."""

    files: tuple[str, ...]
    open: Callable[[OutputContext], SegmentationSink]


def choose_outputs(options: RunOptions, *, still: bool) -> tuple[Output, ...]:
    """Return the outputs that `options` request; for a `still` image, they are images."""
    outputs: list[Output] = []
    if options.files:
        pictures = _still_outputs(options) if still else _video_outputs(options)
        tables = [
            name
            for name, wanted in (
                ("metrics.csv", options.metrics),
                ("metrics.parquet", options.parquet),
            )
            if wanted
        ]
        outputs += pictures
        if options.frames:
            outputs.append(Output(("frames",), open_frames))
        if tables:
            outputs.append(Output(tuple(tables), partial(open_tables, names=tuple(tables))))
        if options.polygons:
            outputs.append(Output(("polygons.jsonl",), open_polygons))
    outputs += [Output((), partial(open_stream, target=target)) for target in options.streams]
    if options.jsonl is not None:
        outputs.append(Output((), partial(open_lines, target=options.jsonl)))
    if options.preview:
        outputs.append(Output((), partial(open_preview, settings=options.preview)))
    return tuple(outputs)


@contextmanager
def open_sinks(
    outputs: Sequence[Output], context: OutputContext
) -> Iterator[list[SegmentationSink]]:
    """Open the sink of every output; on an error, abort the open ones."""
    sinks: list[SegmentationSink] = []
    try:
        for output in outputs:
            sinks.append(output.open(context))
        yield sinks
    except BaseException:
        for sink in sinks:
            sink.abort()
        raise


def _video_outputs(options: RunOptions) -> list[Output]:
    wanted = [(options.overlay, "overlay.mp4", open_overlay), (options.mask, "mask.mkv", open_mask)]
    return [Output((name,), opener) for want, name, opener in wanted if want]


def _still_outputs(options: RunOptions) -> list[Output]:
    names = [
        name
        for name, wanted in (("overlay.png", options.overlay), ("mask.png", options.mask))
        if wanted
    ]
    return [Output(tuple(names), open_still)] if names else []


def open_overlay(context: OutputContext) -> SegmentationSink:
    """Open overlay.mp4: the source with the cornea painted, and its audio."""
    options = context.options
    writer = open_video(context, "overlay.mp4", context.encoder, audio=context.audio)
    return OverlayVideoSink(writer, options.style)


def open_mask(context: OutputContext, name: str = "mask.mkv") -> SegmentationSink:
    """Open the lossless mask video."""
    return MaskVideoSink(open_video(context, name, MaskVideoSink.SETTINGS, audio=False))


def open_video(
    context: OutputContext, name: str, settings: EncoderSettings, *, audio: bool
) -> VideoFile:
    """Open a video file in the output folder."""
    return VideoFile(
        context.folder / name, context.info, settings,
        audio=audio, offset_s=context.offset_s, end_s=context.options.reading.end_s,
    )  # fmt: skip


def open_still(context: OutputContext) -> SegmentationSink:
    """Open overlay.png and mask.png, if requested."""
    options, folder = context.options, context.folder
    overlay = folder / "overlay.png" if options.overlay else None
    mask = folder / "mask.png" if options.mask else None
    return StillSink(overlay, mask, options.style)


def open_frames(context: OutputContext) -> SegmentationSink:
    """Open the folder of PNGs."""
    options = context.options
    return PngSequenceSink(context.folder / "frames", options.style, options.frame_pngs)


def open_tables(context: OutputContext, names: tuple[str, ...]) -> SegmentationSink:
    """Open metrics.csv and metrics.parquet, which share one measurement."""
    options = context.options
    scale = choose_scale(options.white_to_white_mm, options.mm_per_px, context.info)
    return MetricsSink([context.folder / name for name in names], scale)


def open_polygons(context: OutputContext) -> SegmentationSink:
    """Open polygons.jsonl."""
    return PolygonSink(context.folder / "polygons.jsonl")


def open_stream(context: OutputContext, target: StreamTarget) -> SegmentationSink:
    """Open a stream of the overlay with audio, or of the mask."""
    options = context.options
    sink = partial(
        StreamSink, target, context.info, offset_s=context.offset_s, may_break=options.files
    )
    if not options.overlay:
        return sink(MaskVideoSink.SETTINGS, mask_frame)
    painter = YuvPainter(options.style)
    return sink(context.encoder, painter, audio=True, end_s=options.reading.end_s)


def open_lines(context: OutputContext, target: str | Path | int) -> SegmentationSink:
    """Open the lines of JSON."""
    return LineSink(target, may_break=context.options.makes_files)


def open_preview(context: OutputContext, settings: PreviewSettings) -> SegmentationSink:
    """Start the preview and report its address."""
    preview = Preview(settings, context.info, context.options.style)
    context.on_note(f"Preview: {preview.address}")
    return preview
