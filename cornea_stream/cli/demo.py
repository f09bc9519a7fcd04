"""`cornea-stream demo`: a run on a generated clip."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cornea_stream.cli import options as opt


def demo(
    output_dir: opt.OutputDir = Path("output"),
    seconds: Annotated[
        str, typer.Option(help="Length of the generated clip: 4, 4s or 1m.", metavar="TIME")
    ] = "4",
    seed: Annotated[int, typer.Option(help="Random seed of the clip.", metavar="N")] = 7,
    device: opt.Device = "auto",
    overwrite: opt.Overwrite = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    json_: opt.Json = False,
) -> None:
    """Generate a surgery-like clip, segment the cornea and compare with the true masks.

    A second demo replaces the first.
    """
    from cornea_stream.batch.setup import Setup
    from cornea_stream.batch.task import Here, plan_source
    from cornea_stream.cli.rendering import run_and_report
    from cornea_stream.media.times import parse_duration
    from cornea_stream.runs.options import RunOptions
    from cornea_stream.storage import is_ours
    from cornea_stream.synthetic.demo import mean_iou, write_clip

    setup = Setup(device=device)
    setup.check()
    path, folder = output_dir / "demo.mp4", output_dir / "demo"
    clip = write_clip(path, seconds=parse_duration(seconds), seed=seed, overwrite=overwrite)
    options = RunOptions(mask=True, metrics=True, overwrite=overwrite or is_ours(folder))
    code = run_and_report(
        [plan_source(clip.path, folder, options, setup.mask_settings())],
        Here(setup), output_dir, quiet=quiet, verbose=verbose, as_json=json_,
    )  # fmt: skip
    if code == 0 and not quiet and not json_:
        score = mean_iou(clip, folder / "mask.mkv")
        typer.echo(f"Mean IoU with the true masks of this generated clip: {score:.3f}.")
    raise typer.Exit(code)
