"""`cornea-stream correct`: masks of runs corrected by hand, in the browser."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cornea_stream.cli import options as opt
from cornea_stream.errors import UsageError
from cornea_stream.media.class_name import CLASS_NAME

if TYPE_CHECKING:
    from cornea_train.correct.project import Project

Spread = Annotated[int, typer.Option(help="Number of evenly spread frames per run.")]
Uncertain = Annotated[int, typer.Option(help="Maximum number of least certain frames per run.")]
FRAMES = 20
"""The usual number of frames of each kind per run."""
Port = Annotated[int, typer.Option(help="Port of the page.", metavar="N", show_default="any")]


def correct(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RUN_DIR...",
            help="Output folders of run, best with --metrics; none to go on with --output-dir.",
            show_default=False,
        ),
    ] = None,
    output_dir: Annotated[
        Path, typer.Option("--output-dir", "-o", help="Folder for the corrected frames.")
    ] = Path("corrected"),
    spread: Spread = FRAMES,
    uncertain: Uncertain = FRAMES,
    port: Port = 0,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Correct the masks of runs in the browser, to train on them.

    Open the address that is printed. Every change is saved at once, and accepted frames are
    written where `train --data-dir` reads them. Call it again to go on, or to add frames. Ends
    with Finish on the page or with Ctrl-C.
    """
    given = [
        name
        for name, value in {"spread": spread, "uncertain": uncertain}.items()
        if value != FRAMES
    ]
    if given and not runs:
        raise UsageError(f"--{given[0]} is for runs: name their folders, or leave it out")
    serve(runs or [], output_dir, spread=spread, uncertain=uncertain, port=port, quiet=quiet)


def serve(
    runs: list[Path], output_dir: Path, *, spread: int, uncertain: int, port: int, quiet: bool
) -> None:
    """Prepare the frames, serve the page until the end, and print what to do next."""
    import contextlib

    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    from cornea_stream.cli.messages import as_options
    from cornea_train.correct.editor import Editor
    from cornea_train.correct.prepare import prepare
    from cornea_train.correct.project import Project

    console = Console(stderr=True)
    with Project(output_dir) as project:
        bar = Progress(
            *Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn(),
            console=console, transient=True, disable=quiet or not console.is_terminal,
        )  # fmt: skip
        with bar:
            task = bar.add_task("reading frames", total=None)
            prepare(
                project, runs, spread=spread, uncertain=uncertain,
                on_progress=lambda done, total: bar.update(task, completed=done, total=total),
                on_note=lambda note: typer.echo(f"Note: {as_options(note)}", err=True),
            )  # fmt: skip
        with Editor(project, port=port, next_step=lambda: train_command(project)) as editor:
            # Quiet or not: nobody can guess the address.
            typer.echo(f"{_progress(project)} done. Correct at {editor.address}", err=True)
            with contextlib.suppress(KeyboardInterrupt):
                editor.wait()
        if not quiet:
            typer.echo(f"{output_dir}: {_progress(project)} done")
            if any(map(project.is_done, project.frames)):
                typer.echo(f"Next: {train_command(project)}")


def train_command(project: Project) -> str:
    """Return the command that trains on the corrections, as it is typed."""
    folder = project.root
    words = ["cornea-stream", "train", "--data-dir", str(folder), "--init", project.weights]
    if project.class_name != CLASS_NAME:
        words += ["--class-name", project.class_name]
    weights = os.path.normpath(folder / ".." / f"{folder.resolve().name}_weights")
    return shlex.join([*words, "--output-dir", weights])


def _progress(project: Project) -> str:
    done = sum(map(project.is_done, project.frames))
    return f"{done} of {len(project.frames)} frames"
