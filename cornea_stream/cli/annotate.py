"""`cornea-stream annotate`: masks of a run for an annotator to correct."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cornea_stream.cli import options as opt


def annotate(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN_DIR...", help="Outputs of: run --mask --metrics."),
    ],
    output_dir: Annotated[
        Path, typer.Option("--output-dir", "-o", help="New folder for images and annotations.")
    ] = Path("annotations"),
    spread: Annotated[int, typer.Option(help="Frames evenly spread over a run.")] = 20,
    uncertain: Annotated[int, typer.Option(help="And up to so many least certain ones.")] = 20,
    polygons: Annotated[
        bool, typer.Option("--polygons", help="Outlines to drag instead of exact bitmaps.")
    ] = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    json_: opt.Json = False,
) -> None:
    """Write frames of runs with their masks, as a Supervisely project and as COCO.

    Correct them there, and pass the folder to `train --data-dir`. A --spread beyond a run's frames
    takes all of them.
    """
    import json
    from dataclasses import asdict

    from cornea_train.annotate import annotate as write_annotations

    results = write_annotations(
        runs, output_dir, spread=spread, uncertain=uncertain, polygons=polygons
    )
    if json_:
        typer.echo(json.dumps([asdict(result) for result in results], default=str, indent=2))
    elif not quiet:
        for result in results:
            typer.echo(
                f"{result.folder}: {result.images} images, {result.without_cornea} without cornea"
            )
