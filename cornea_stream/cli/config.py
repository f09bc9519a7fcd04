"""`cornea-stream config`: the options of a run as a file."""

from __future__ import annotations

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
from cornea_stream.cli.settings_file import as_toml


@with_groups
def config(
    ctx: typer.Context,
    outputs: Outputs,
    reading: Reading,
    streams: Streams,
    many: ManyVideos,
    look: Look,
    weights: Weights,
    engine: Engine,
    masks: Masks,
    throughput: Throughput,
    terminal: Terminal,
) -> None:
    """Print the options of run as TOML: the defaults, or with the options given here.

    Save it to a file and change it: cornea-stream run VIDEO --config run.toml. Options on the
    command line go before those of the file.
    """
    typer.echo(as_toml(ctx.command.params, ctx.params), nl=False)
