"""`cornea-stream report`: an HTML page for a run or a folder of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cornea_stream.cli import options as opt


def report(
    folder: Annotated[Path, typer.Argument(help="Output folder of a run, or a folder of runs.")],
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Also replace a report.html that cornea-stream did not write."
        ),
    ] = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    json_: opt.Json = False,
) -> None:
    """Write report.html next to the outputs of a run, and index.html for a folder of runs.

    It needs metrics.csv (from run --metrics or --report) or at least mask.mkv.
    """
    import json

    from cornea_stream.batch.summary_csv import read_failures
    from cornea_stream.cli.messages import as_options
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
        content = {"page": str(page), "reports": reports, "errors": [str(err) for err in errors]}
        typer.echo(json.dumps(content, indent=2))
    elif not quiet:
        typer.echo(page)
    for err in errors:
        typer.secho(f"Error: {as_options(str(err))}", fg=typer.colors.RED, err=True)
    if errors:
        raise typer.Exit(EXIT_PARTIAL if reports else errors[0].exit_code)
