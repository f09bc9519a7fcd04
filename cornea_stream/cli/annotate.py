"""`cornea-stream annotate`: frames and masks of a run, to correct by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cornea_stream.cli import options as opt
from cornea_stream.cli.correct import FRAMES, Spread, Uncertain, serve


def annotate(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN_DIR...", help="Output folders of run --mask --metrics."),
    ],
    output_dir: Annotated[
        Path, typer.Option("--output-dir", "-o", help="New folder for images and annotations.")
    ] = Path("annotations"),
    spread: Spread = FRAMES,
    uncertain: Uncertain = FRAMES,
    polygons: Annotated[
        bool, typer.Option("--polygons", help="Editable outlines instead of exact bitmaps.")
    ] = False,
    edit: Annotated[
        bool,
        typer.Option("--edit", help="Correct the masks in the browser first, as correct does."),
    ] = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    json_: opt.Json = False,
) -> None:
    """Extract frames of runs with their masks, as a Supervisely project and as COCO.

    Correct the masks, then pass the folder to `train --data-dir`. If --spread exceeds the number
    of frames in a run, all of them are extracted.
    """
    import json
    from dataclasses import asdict

    from cornea_stream.errors import UsageError
    from cornea_stream.media.class_name import in_words
    from cornea_train.annotate import annotate as write_annotations

    if edit:
        if polygons or json_:
            raise UsageError(
                "--edit writes what is accepted on its page: use it without --polygons and --json"
            )
        serve(runs, output_dir, spread=spread, uncertain=uncertain, port=0, quiet=quiet)
        return
    results = write_annotations(
        runs, output_dir, spread=spread, uncertain=uncertain, polygons=polygons
    )
    if json_:
        typer.echo(json.dumps([asdict(result) for result in results], default=str, indent=2))
    elif not quiet:
        for result in results:
            what = in_words(result.class_name)
            typer.echo(
                f"{result.folder}: {result.images} images, {result.without_cornea} without {what}"
            )
