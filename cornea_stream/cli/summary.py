"""`cornea-stream summary`: a run in one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cornea_stream.cli import options as opt


def summary(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN_DIR...", help="Outputs of: run --metrics.")
    ],
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace a summary.png that cornea-stream did not make."),
    ] = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Write summary.png beside the outputs of a run: its course over time and some frames."""
    from cornea_stream.report.summary_figure import write_sheet

    for folder in runs:
        path = write_sheet(folder, overwrite=overwrite)
        if not quiet:
            typer.echo(path)
