"""The command line: parse, call, render. Commands import what is heavy only when they run."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import Annotated

import typer

from cornea_stream.cli.annotate import annotate
from cornea_stream.cli.benchmark import benchmark
from cornea_stream.cli.command import Command, Commands, CtrlCError
from cornea_stream.cli.config import config
from cornea_stream.cli.correct import correct
from cornea_stream.cli.demo import demo
from cornea_stream.cli.evaluate import evaluate
from cornea_stream.cli.export import export
from cornea_stream.cli.frame import frame
from cornea_stream.cli.info import info, print_version
from cornea_stream.cli.messages import as_options
from cornea_stream.cli.report import report
from cornea_stream.cli.run import run
from cornea_stream.cli.summary import summary
from cornea_stream.cli.train import train
from cornea_stream.errors import EXIT_INTERNAL, EXIT_INTERRUPTED, CorneaStreamError, ReaderGoneError
from cornea_stream.media.address import without_secrets

_AFTER_CTRL_C = {"run": "--resume skips the videos that are complete"}
"""How to continue, if the command did not say it."""

app = typer.Typer(
    cls=Commands,
    name="cornea-stream",
    help="Segment the cornea in every frame of a cataract-surgery video.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    # `--output_dir` and `--output-dir` are the same option, in every command.
    context_settings={
        "token_normalize_func": lambda token: token.replace("_", "-"),
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
    },
)


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", callback=print_version),
    ] = False,
) -> None:
    """Segment the cornea in every frame of a cataract-surgery video."""


for _command in (
    run, frame, report, summary, annotate, correct, benchmark, train, evaluate, export, demo,
    info, config,
):  # fmt: skip
    app.command(cls=Command)(_command)


def main() -> None:
    """Run the command line; every failure is one sentence and an exit code of its class."""
    try:
        app()
    except ReaderGoneError as err:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still buffered goes nowhere
        sys.exit(err.exit_code)
    except CorneaStreamError as err:
        _fail(str(err), err, err.exit_code)
    except (CtrlCError, KeyboardInterrupt) as err:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # further ones would only spoil the exit
        what_next = _AFTER_CTRL_C.get(str(err))
        _fail(f"interrupted: {what_next}" if what_next else "interrupted", None, EXIT_INTERRUPTED)
    except Exception as err:
        _fail(
            f"internal error: {type(err).__name__}: {err}: please report it with --verbose output",
            err,
            EXIT_INTERNAL,
        )


def _fail(message: str, error: BaseException | None, code: int) -> None:
    if error is not None and "--verbose" in sys.argv:
        import traceback

        sys.stderr.write(without_secrets("".join(traceback.format_exception(error))))
    with contextlib.suppress(BrokenPipeError):
        typer.secho(f"Error: {as_options(without_secrets(message))}", fg=typer.colors.RED, err=True)
    sys.exit(code)
