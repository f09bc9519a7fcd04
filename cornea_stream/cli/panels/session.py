"""Many videos, and the terminal."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from cornea_stream.cli import help as panels
from cornea_stream.cli import options as opt
from cornea_stream.cli.help import MOST_USED
from cornea_stream.cli.settings_file import read_config


@dataclass(frozen=True)
class ManyVideos:
    """How many sources, or long ones, are dealt over processes and machines."""

    PANEL: ClassVar[str] = panels.MANY_VIDEOS

    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Skip complete outputs and redo the others.",
            rich_help_panel=MOST_USED,
        ),
    ] = False
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
    ] = None
    chunk: Annotated[
        str | None,
        typer.Option(
            "--chunk",
            "--segment",
            help="Cut long videos into chunks of this length, such as 5m, and join them.",
            metavar="TIME",
        ),
    ] = None
    ray: Annotated[
        str | None, typer.Option(help="Use a Ray cluster: HOST:PORT or auto.", metavar="ADDRESS")
    ] = None
    ray_cores: Annotated[
        int, typer.Option(min=1, help="Cores per video on Ray nodes without GPUs.", metavar="N")
    ] = 8


@dataclass(frozen=True)
class Terminal:
    """What is printed."""

    PANEL: ClassVar[str] = panels.DISPLAY

    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace existing outputs.", rich_help_panel=MOST_USED),
    ] = False
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print what a run would do, and how long it would take.",
        ),
    ] = False
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            help="Read options from a TOML file, as the command config prints it.",
            metavar="FILE",
            is_eager=True,
            callback=read_config,
        ),
    ] = None
    quiet: opt.Quiet = False
    verbose: opt.Verbose = False
    json_: opt.Json = False
