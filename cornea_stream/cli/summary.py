"""`cornea-stream summary`: a run in one figure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cornea_stream.cli import options as opt


def summary(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN_DIR...", help="Output folders of run --metrics.")
    ],
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Also replace a summary.png that cornea-stream did not write."
        ),
    ] = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Write summary.png next to the outputs of a run: measurements over time and some frames."""
    from cornea_stream.report.summary_figure import write_sheet

    for folder in runs:
        path = write_sheet(folder, overwrite=overwrite)
        if not quiet:
            typer.echo(path)
