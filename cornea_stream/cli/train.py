"""`cornea-stream train`: the published recipe, with its errors fixed, and fine-tuning."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cornea_stream.cli import options as opt
from cornea_stream.cli.groups import with_groups
from cornea_stream.cli.help import MOST_USED
from cornea_stream.cli.panels.training import (
    AnnotatedFrames,
    Computing,
    Network,
    Optimization,
    Records,
    Samples,
)


@with_groups
def train(
    data_dir: Annotated[
        Path, typer.Option(help="Folder of annotated frames.", rich_help_panel=MOST_USED)
    ],
    output_dir: Annotated[
        Path,
        typer.Option(
            "--output-dir",
            "-o",
            help="Folder for checkpoints and curves.",
            rich_help_panel=MOST_USED,
        ),
    ] = Path("model_weights"),
    init: Annotated[
        Path | None,
        typer.Option(
            help="Fine-tune these weights: a file, or default, resnet101 (see info).",
            metavar="FILE|NAME",
            rich_help_panel=MOST_USED,
        ),
    ] = None,
    *,
    optimization: Optimization,
    records: Records,
    frames: AnnotatedFrames,
    samples: Samples,
    network: Network,
    computing: Computing,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Train a PSPNet with Dice + focal loss on annotated frames.

    Writes model_epoch_{E}.pth, best_model.pth, metrics.csv, training_results.png and split.json.
    With --init it fine-tunes weights on few frames, and compares before and after.
    Start it with torchrun to train with several processes. Ctrl-C and --resume lose nothing but the
    epoch at work.
    """
    from cornea_stream.cli.training import run_and_report
    from cornea_stream.models.stated_input import parse_size
    from cornea_train.config import TrainConfig

    given: dict[str, Any] = {"data_dir": data_dir, "output_dir": output_dir, "init": init}
    for group in (optimization, records, frames, samples, network, computing):
        given |= vars(group)
    settings = {name: value for name, value in given.items() if value is not None}
    if network.image_size is not None:
        settings["image_size"] = parse_size(network.image_size, "image_size")
    settings["log"] = tuple(records.log or ())
    run_and_report(TrainConfig.of(**settings), quiet=quiet)
