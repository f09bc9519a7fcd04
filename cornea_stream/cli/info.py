"""`cornea-stream info`: describe the installation or a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cornea_stream import __version__
from cornea_stream.cli import options as opt

_ABSENT = ("address", "audio_codec", "field_order", "hdr")
"""Properties of a source that it does not have if they are None; others are then unknown."""


def info(
    path: Annotated[
        Path | None,
        typer.Argument(help="A video, image, folder of images or checkpoint.", metavar="PATH"),
    ] = None,
    scan: Annotated[
        bool, typer.Option("--scan", help="Read a source through: all frames, times and damage.")
    ] = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    json_: opt.Json = False,
) -> None:
    """Describe this installation (for bug reports), a source as a run reads it, or a checkpoint."""
    from cornea_stream.diagnostics.installation import describe_installation
    from cornea_stream.errors import UsageError
    from cornea_stream.runs.environment import describe_path

    if scan and path is None:
        raise UsageError("--scan is for a source: add its path, or leave it out")
    facts = describe_installation() if path is None else describe_path(path, scan=scan)
    if json_:
        typer.echo(json.dumps(facts, indent=2, default=str))
    elif not quiet:
        width = max(map(len, facts))
        for name, value in facts.items():
            is_absent = value is None and name in _ABSENT
            typer.echo(f"{name:<{width}}  {'none' if is_absent else _text(value)}")


def _text(value: object) -> str:
    if isinstance(value, dict):
        value = [
            f"{name} ({_text(each)})" if isinstance(each, list) else f"{name} {each}"
            for name, each in value.items()
        ]
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return "unknown" if value is None else str(value)


def print_version(wanted: bool) -> None:
    """Print the version and exit, for `--version`."""
    if wanted:
        typer.echo(f"cornea-stream {__version__}")
        raise typer.Exit
