"""`cornea-stream run`: segment the cornea and write overlay, masks and measurements."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cornea_stream.cli import options as opt

if TYPE_CHECKING:
    from cornea_stream.media.address import Address
    from cornea_stream.sinks import StreamTarget


def run(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Videos, images, folders or globs; or one stream, camera or -.",
        ),
    ],
    output_dir: opt.Outputs = None,
    overlay: Annotated[bool, typer.Option(help="Write overlay.mp4.")] = True,
    mask: Annotated[
        bool, typer.Option("--mask", help="Write mask.mkv: lossless gray video, 255 on the cornea.")
    ] = False,
    frames: Annotated[
        bool, typer.Option("--frames", help="Write frames/%06d_mask.png and %06d_overlay.png.")
    ] = False,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Write metrics.csv: measurements, one row per frame.")
    ] = False,
    parquet: Annotated[
        bool, typer.Option("--parquet", help="Write metrics.parquet: the same table.")
    ] = False,
    polygons: Annotated[
        bool, typer.Option("--polygons", help="Write polygons.jsonl: the contours of every mask.")
    ] = False,
    summary: Annotated[
        bool,
        typer.Option(
            "--summary", help="Write summary.png, the run in one figure, and metrics.csv."
        ),
    ] = False,
    report: Annotated[
        bool,
        typer.Option("--report", help="Write report.html, the run as a page, and metrics.csv."),
    ] = False,
    white_to_white: Annotated[
        float | None,
        typer.Option(
            help="Estimate millimeters from this corneal diameter (mean of adults: 11.7).",
            metavar="MM",
        ),
    ] = None,
    mm_per_px: Annotated[
        float | None,
        typer.Option(help="Pixel size (height) in millimeters.", metavar="MM"),
    ] = None,
    checkpoint: opt.Checkpoint = None,
    input_size: opt.InputSize = None,
    input_normalization: opt.InputNormalization = None,
    class_index: opt.ClassIndex = None,
    device: opt.Device = "auto",
    backend: opt.Backend = "auto",
    precision: opt.Precision = "auto",
    calibrate: opt.Calibrate = None,
    batch_size: Annotated[
        str, typer.Option(help="Frames per inference batch: auto or a number.", metavar="N")
    ] = "auto",
    threshold: opt.Threshold = 0.5,
    opacity: opt.Opacity = 0.5,
    color: opt.Color = "green",
    raw_mask: opt.RawMask = False,
    smooth: Annotated[
        bool, typer.Option("--smooth", help="Smooth the masks over time, without lag.")
    ] = False,
    start: Annotated[
        str | None, typer.Option(help="Start time: seconds, 1m30s or HH:MM:SS.mmm.", metavar="T")
    ] = None,
    end: Annotated[str | None, typer.Option(help="End time (exclusive).", metavar="T")] = None,
    every: Annotated[int, typer.Option(help="Process only every N-th frame.", metavar="N")] = 1,
    chunk: Annotated[
        str | None,
        typer.Option(
            "--chunk",
            help="Process long videos in chunks of this length and join them, such as 5m.",
            metavar="T",
        ),
    ] = None,
    segment: Annotated[str | None, typer.Option("--segment", hidden=True)] = None,
    video_track: opt.VideoTrack = None,
    keep_metadata: Annotated[
        bool,
        typer.Option(
            "--keep-metadata",
            help="Copy all metadata to overlay.mp4 and run.json, also places and names.",
        ),
    ] = False,
    decoder: opt.Decoder = "auto",
    codec: Annotated[
        str, typer.Option(help="FFmpeg video encoder for overlay.mp4; auto tries NVENC first.")
    ] = "libx264",
    crf: Annotated[
        float | None,
        typer.Option(help="Encoder quality; lower is better.", show_default="22 for libx264"),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="Speed preset of the encoder.", show_default="superfast for libx264"),
    ] = None,
    live: Annotated[
        bool | None,
        typer.Option(
            "--live/--no-live",
            help="Drop frames if the source is faster than inference.",
            show_default="for rtsp, rtmp, udp and cameras",
        ),
    ] = None,
    reconnect_timeout: Annotated[
        float, typer.Option(help="Seconds to keep reconnecting to a live source.", metavar="S")
    ] = 30,
    stream_format: Annotated[
        str, typer.Option(help="Container on standard output: matroska or mpegts.")
    ] = "matroska",
    realtime: Annotated[
        bool | None,
        typer.Option(
            "--realtime/--no-realtime",
            help="Read files no faster than real time.",
            show_default="for -o rtsp://, rtmp://, udp://",
        ),
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Serve a web page with the overlay during the run.")
    ] = False,
    preview_port: Annotated[
        int, typer.Option(help="Port of the preview.", metavar="N", show_default="any")
    ] = 0,
    preview_host: Annotated[
        str, typer.Option(help="Host name or address to serve the preview on.", metavar="HOST")
    ] = "127.0.0.1",
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at damage instead of skipping it.")
    ] = False,
    max_megapixels: Annotated[
        float, typer.Option(help="Maximum frame size in megapixels.", metavar="N")
    ] = 64,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            help="Number of videos or chunks to process in parallel.",
            metavar="N",
            show_default="one per GPU, else 1",
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Use a Ray cluster: HOST:PORT or auto.",
            metavar="ADDRESS",
        ),
    ] = None,
    ray_cores: Annotated[
        int, typer.Option(min=1, help="Cores per video on Ray nodes without GPUs.", metavar="N")
    ] = 8,
    resume: Annotated[
        bool, typer.Option("--resume", help="Skip complete outputs and redo the others.")
    ] = False,
    overwrite: opt.Overwrite = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    json_: opt.Json = False,
) -> None:
    """Segment the cornea in every frame and write OUTPUT_DIR/<name>/overlay.mp4 and run.json.

    A folder stands for all videos and all folders of images below it. With several sources,
    OUTPUT_DIR/summary.csv lists the result of each. A single SOURCE can also be an rtsp, rtmp, udp
    or http address, /dev/videoN, or - for standard input.

    Ctrl-C finishes the frames in flight and closes the outputs so that they play.
    """
    from cornea_stream.batch.discover import PassedOver, find_sources
    from cornea_stream.batch.process_pool import executor_for
    from cornea_stream.batch.task import Executor, Setup, plan_source
    from cornea_stream.chunks.executor import ChunkingExecutor
    from cornea_stream.cli.rendering import run_and_report
    from cornea_stream.media.address import lone_address
    from cornea_stream.media.times import parse_duration, parse_time
    from cornea_stream.runs.options import RunOptions
    from cornea_stream.sinks import PreviewSettings
    from cornea_stream.sinks.stream.target import claim_stdout

    chunk = chunk or segment
    chunk_s = None if chunk is None else parse_duration(chunk)
    folders, streams = _parse_outputs(output_dir or ["output"], stream_format)
    folder = Path(folders[0] if folders else "output")
    options = RunOptions(
        overlay=overlay,
        mask=mask,
        frames=frames,
        metrics=metrics,
        parquet=parquet,
        polygons=polygons,
        summary=summary,
        report=report,
        white_to_white_mm=white_to_white,
        mm_per_px=mm_per_px,
        opacity=opacity,
        color=color,
        codec=codec,
        crf=crf,
        preset=preset,
        start_s=None if start is None else parse_time(start),
        end_s=None if end is None else parse_time(end),
        every=every,
        strict=strict,
        max_megapixels=max_megapixels,
        video_track=video_track,
        keep_metadata=keep_metadata,
        live=live,
        reconnect_s=reconnect_timeout,
        decoder=decoder,
        overwrite=overwrite,
        resume=resume,
        streams=streams,
        files=bool(folders),
        realtime=realtime,
        preview=PreviewSettings(preview_host, preview_port) if preview else None,
    )
    options.check()

    passed_over: list[PassedOver] = []

    def warn(note: PassedOver) -> None:
        passed_over.append(note)
        if not quiet:
            typer.secho(f"Warning: {note}", fg=typer.colors.YELLOW, err=True)

    if address := lone_address(sources):
        places: list[tuple[Path | Address, Path]] = [(address, folder / address.name)]
    else:
        places = [
            (found.path, folder / found.place) for found in find_sources(sources, folder, warn)
        ]
    if options.is_watched and len(places) > 1:
        raise typer.BadParameter(
            f"a stream or preview takes one source, not {len(places)}: start one run for each"
        )
    setup = Setup(
        checkpoint,
        device=device,
        backend=backend,
        precision=precision,
        calibration=calibrate,
        batch_size=_parse_batch_size(batch_size),
        threshold=threshold,
        raw=raw_mask,
        smooth=smooth,
        input_size=input_size,
        input_normalization=input_normalization,
        class_index=class_index,
    )
    masks = setup.mask_settings()
    if ray is None:
        most = len(places) if chunk_s is None else None
        executor: Executor = executor_for(setup, jobs, most)
    elif jobs is None:
        from cornea_stream.batch.ray.cluster import RayCluster

        places = [(_absolute(source), place.absolute()) for source, place in places]
        executor = RayCluster(setup.absolute(), masks, ray, cores=ray_cores)
    else:
        raise typer.BadParameter(
            "Ray distributes the work by cores: use --ray-cores instead of --jobs"
        )
    if chunk_s is not None:
        executor = ChunkingExecutor(executor, chunk_s, smooth=smooth)
    options = replace(options, streams=claim_stdout(streams))
    tasks = [plan_source(source, place, options, masks) for source, place in places]
    code = run_and_report(
        tasks,
        executor,
        folder,
        quiet=quiet,
        verbose=verbose,
        as_json=json_,
        passed_over=passed_over,
    )
    raise typer.Exit(code)


def _absolute(source: Path | Address) -> Path | Address:
    return source.absolute() if isinstance(source, Path) else source


def _parse_outputs(
    outputs: list[str], stream_format: str
) -> tuple[list[str], tuple[StreamTarget, ...]]:
    """Return the folder, if there is one, and the streams."""
    from cornea_stream.sinks.stream.target import is_target, parse_target

    folders = [output for output in outputs if not is_target(output)]
    if len(folders) > 1 or len(set(outputs)) < len(outputs):
        raise typer.BadParameter("-o takes one folder, and every stream once: leave out the others")
    streams = tuple(parse_target(o, stream_format) for o in outputs if is_target(o))
    return folders, streams


def _parse_batch_size(text: str) -> int | None:
    if text == "auto":
        return None
    if not (text.isascii() and text.isdigit()) or text == "0":
        raise typer.BadParameter(f"{text!r} is neither auto nor a positive number: try auto")
    return int(text)
