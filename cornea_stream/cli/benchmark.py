"""`cornea-stream benchmark`: the speed of this machine and its bottleneck."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cornea_stream.cli import options as opt
from cornea_stream.cli.groups import with_groups
from cornea_stream.cli.help import ENGINE
from cornea_stream.cli.panels import Engine

if TYPE_CHECKING:
    from cornea_stream.diagnostics.benchmark import Benchmark


@with_groups
def benchmark(
    video: Annotated[
        Path | None,
        typer.Argument(help="A video; by default, a clip is generated.", metavar="VIDEO"),
    ] = None,
    *,
    checkpoint: opt.Checkpoint = None,
    engine: Engine,
    decoder: opt.Decoder = "auto",
    input_size: Annotated[
        int | None,
        typer.Option(
            help="Side length of the square network input in pixels.",
            show_default="the checkpoint's",
            metavar="N",
            rich_help_panel=ENGINE,
        ),
    ] = None,
    engines: Annotated[bool, typer.Option(help="Also measure every available engine.")] = True,
    baseline: Annotated[
        bool, typer.Option("--baseline", help="Also measure a plain frame-by-frame loop.")
    ] = False,
    chart: Annotated[
        Path | None, typer.Option(help="Write a bar chart to this PNG file.", metavar="FILE")
    ] = None,
    overwrite: opt.Overwrite = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    json_: opt.Json = False,
) -> None:
    """Measure each stage alone and the whole pipeline: fps, latency, bound and efficiency."""
    import json
    import tempfile

    from cornea_stream.diagnostics.benchmark import plot, run_benchmark
    from cornea_stream.errors import OutputError, UsageError, require
    from cornea_stream.synthetic.demo import write_clip

    if chart is None and overwrite:
        raise UsageError("--overwrite is for the chart: add --chart, or leave it out")
    if chart is not None:
        require("matplotlib", "plots", "the chart")
        if chart.exists() and not overwrite:
            raise OutputError(f"output exists: {chart}: pass --overwrite or choose another --chart")

    def announce(step: str) -> None:
        if not quiet:
            typer.echo(f"measuring: {step}", err=True)

    with tempfile.TemporaryDirectory() as folder:
        if video is None:
            announce("generating a clip")
            video = write_clip(Path(folder) / "generated.mp4", seconds=6, seed=7).path
        found = run_benchmark(
            video,
            checkpoint=checkpoint,
            device=engine.device,
            backend=engine.backend,
            precision=engine.precision,
            calibration=engine.calibration_data,
            decoder=decoder,
            input_size=input_size,
            every_engine=engines,
            baseline=baseline,
            on_step=announce,
        )
    if chart is not None:
        plot(found, chart)
    if json_:
        typer.echo(json.dumps(found.to_dict(), indent=1))
    elif not quiet:
        _print(found)


def _print(found: Benchmark) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for title, rows, first in (
        ("Each stage alone", found.stages, 1),
        ("Inference alone", found.inference, 3),
    ):
        if not rows:
            continue
        table = Table(title=title, title_justify="left")
        for index, heading in enumerate(rows[0].__slots__):
            table.add_column(heading, justify="left" if index < first else "right")
        for row in rows:
            values = (getattr(row, name) for name in row.__slots__)
            table.add_row(*(f"{v:.1f}" if isinstance(v, float) else str(v) for v in values))
        console.print(table)
    console.print(
        f"End to end: {found.end_to_end_fps:.1f} fps over {found.frames} frames at "
        f"{found.width}x{found.height} with {found.engine['backend']} {found.engine['precision']}. "
        f"Bound: {found.bound_fps:.1f} fps ({found.bound_by}); "
        f"efficiency {found.efficiency:.2f}. "
        f"Peak memory {found.peak_memory_mib:.0f} MiB; "
        f"warm-up {found.warm_up_s:.1f} s, not included."
    )
    console.print(", ".join(f"{step}: {path}" for step, path in found.paths.items()), style="dim")
    if found.baseline_fps is not None:
        console.print(
            f"Plain loop: {found.baseline_fps:.1f} fps; cornea-stream is "
            f"{found.baseline_ratio:.1f} times as fast."
        )
