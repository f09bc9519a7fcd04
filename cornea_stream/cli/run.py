"""`cornea-stream run`: segment the cornea and write overlay, masks and measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cornea_stream.cli.groups import with_groups
from cornea_stream.cli.panels import (
    Engine,
    Look,
    ManyVideos,
    Masks,
    Outputs,
    Reading,
    Streams,
    Terminal,
    Throughput,
    Weights,
)

if TYPE_CHECKING:
    from cornea_stream.batch.discover import PassedOver
    from cornea_stream.batch.setup import Setup
    from cornea_stream.batch.task import Executor
    from cornea_stream.cli.destination import Destination
    from cornea_stream.media.address import Address
    from cornea_stream.runs.options import RunOptions

_TRIED = 16
"""Up to this many sources are opened before the network is loaded; of more, each in its turn."""


@with_groups
def run(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Videos, images, folders or globs; or one stream, camera or -.",
        ),
    ],
    outputs: Outputs,
    reading: Reading,
    streams: Streams,
    look: Look,
    weights: Weights,
    engine: Engine,
    masks: Masks,
    throughput: Throughput,
    many: ManyVideos,
    terminal: Terminal,
) -> None:
    """Segment the cornea in every frame and write OUTPUT_DIR/<name>/overlay.mp4 and run.json.

    A folder stands for all videos and all folders of images below it. A single SOURCE can also be
    an rtsp, rtmp, udp or http address, /dev/videoN (or N), or - for standard input.

    Ctrl-C finishes the frames in flight and closes the outputs so that they play.
    """
    from cornea_stream.batch.task import plan_source
    from cornea_stream.cli.destination import choose_destination
    from cornea_stream.cli.dry_run import print_plan
    from cornea_stream.cli.rendering import run_and_report
    from cornea_stream.runs.idle_options import check_idle_for
    from cornea_stream.runs.options import RunOptions

    destination = choose_destination(outputs, streams)
    setup = engine.setup(weights, masks, batch_size=throughput.frames(), smooth=throughput.smooth)
    options = RunOptions(
        **outputs.run_options(), **reading.run_options(), **look.style(), **streams.run_options(),
        streams=destination.streams, files=destination.has_files,
        overwrite=terminal.overwrite, resume=many.resume,
    )  # fmt: skip
    options.check()
    setup.check()
    passed_over: list[PassedOver] = []
    if outputs.output_dir is None:
        _refuse_destination(sources)
    places = _find(sources, destination.folder, passed_over, quiet=terminal.quiet)
    if options.is_watched and len(places) > 1:
        raise typer.BadParameter(
            f"a stream, preview or --jsonl takes one source, not {len(places)}: start one run for "
            "each"
        )
    check_idle_for(options, [source for source, _ in places])
    settings = setup.mask_settings()
    if many.ray is not None:
        places = [(_absolute(source), place.absolute()) for source, place in places]
    executor = _executor(setup, many, len(places))
    options = _claim_stdout(options, destination)
    tasks = [
        plan_source(source, place, options, settings, try_source=len(places) <= _TRIED)
        for source, place in places
    ]
    if terminal.dry_run:
        raise typer.Exit(print_plan(tasks, setup, as_json=terminal.json_))
    code = run_and_report(
        tasks,
        executor,
        destination.folder,
        quiet=terminal.quiet,
        verbose=terminal.verbose,
        as_json=terminal.json_,
        passed_over=passed_over,
    )
    raise typer.Exit(code)


def _find(
    sources: Sequence[str], folder: Path, passed_over: list[PassedOver], *, quiet: bool
) -> list[tuple[Path | Address, Path]]:
    """Return each source with its output folder."""
    from cornea_stream.batch.discover import find_sources
    from cornea_stream.cli.spellings import camera
    from cornea_stream.media.address import lone_address

    def warn(note: PassedOver) -> None:
        passed_over.append(note)
        if not quiet:
            typer.secho(f"Warning: {note}", fg=typer.colors.YELLOW, err=True)

    if address := lone_address(list(map(camera, sources))):
        return [(address, folder / address.name)]
    return [(found.path, folder / found.place) for found in find_sources(sources, folder, warn)]


def _refuse_destination(sources: Sequence[str]) -> None:
    """Refuse an output folder in the place of a source, as `cp` takes it."""
    *others, last = sources
    path = Path(last)
    is_folder = path.is_dir() and not any(path.iterdir())
    if others and (is_folder or not (path.exists() or path.suffix or set("*?[") & set(last))):
        raise typer.BadParameter(
            f"{last} holds no video: give the output folder with -o: cornea-stream run "
            f"{' '.join(others)} -o {last}"
        )


def _executor(setup: Setup, many: ManyVideos, sources: int) -> Executor:
    from cornea_stream.batch.process_pool import executor_for
    from cornea_stream.chunks.executor import ChunkingExecutor
    from cornea_stream.media.times import parse_duration

    chunk_s = None if many.chunk is None else parse_duration(many.chunk)
    if many.ray is None:
        if many.ray_cores != ManyVideos.ray_cores:
            raise typer.BadParameter("--ray-cores is for a Ray cluster: add --ray, or leave it out")
        executor = executor_for(setup, many.jobs, sources if chunk_s is None else None)
    elif many.jobs is None:
        from cornea_stream.batch.ray.cluster import RayCluster

        executor = RayCluster(
            setup.absolute(), setup.mask_settings(), many.ray, cores=many.ray_cores
        )
    else:
        raise typer.BadParameter(
            "Ray distributes the work by cores: use --ray-cores instead of --jobs"
        )
    return executor if chunk_s is None else ChunkingExecutor(executor, chunk_s, smooth=setup.smooth)


def _claim_stdout(options: RunOptions, destination: Destination) -> RunOptions:
    """Reserve standard output for a video or for lines of JSON, if one of them goes there."""
    from cornea_stream.sinks.lines import STDOUT
    from cornea_stream.sinks.stream.target import claim_stdout, redirect_stdout

    if options.jsonl == STDOUT:
        return replace(options, jsonl=redirect_stdout())
    return replace(options, streams=claim_stdout(destination.streams))


def _absolute(source: Path | Address) -> Path | Address:
    return source.absolute() if isinstance(source, Path) else source
