"""`cornea-stream report`: a page to look at for a run, or for a folder of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cornea_stream.cli import options as opt


def report(
    folder: Annotated[
        Path, typer.Argument(help="The folder of a run, or one with such folders below it.")
    ],
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace a report.html that cornea-stream did not make."),
    ] = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    json_: opt.Json = False,
) -> None:
    """Write report.html beside the outputs of a run; for a folder of runs index.html too.

    It needs metrics.csv (run with --metrics or --report), or at least mask.mkv.
    """
    import json

    from cornea_stream.batch.summary_csv import read_failures
    from cornea_stream.errors import EXIT_PARTIAL, CorneaStreamError
    from cornea_stream.report import is_run, write_index, write_report

    errors: list[CorneaStreamError] = []
    reports = 1
    if is_run(folder):
        page = write_report(folder, overwrite=overwrite).path
    else:
        page, entries = write_index(folder, read_failures(folder), overwrite=overwrite)
        errors = [entry.error for entry in entries if entry.error]
        reports = len(entries) - len(errors)
    if json_:
        told = {"page": str(page), "reports": reports, "errors": [str(err) for err in errors]}
        typer.echo(json.dumps(told, indent=2))
    elif not quiet:
        typer.echo(page)
    for err in errors:
        typer.secho(f"Error: {err}", fg=typer.colors.RED, err=True)
    if errors:
        raise typer.Exit(EXIT_PARTIAL if reports else errors[0].exit_code)
