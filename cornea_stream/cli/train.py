"""`cornea-stream train`: the published recipe, done correctly."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cornea_stream.cli import options as opt


def train(
    data_dir: Annotated[Path, typer.Option(help="Folder in the layout of Cataract-1K.")],
    output_dir: Annotated[
        Path, typer.Option("--output-dir", "-o", help="Folder for checkpoints and curves.")
    ] = Path("model_weights"),
    epochs: Annotated[int, typer.Option(help="How often to go through the data.")] = 150,
    batch_size: Annotated[int, typer.Option(help="Images per batch, over all processes.")] = 4,
    lr: Annotated[float, typer.Option(help="Learning rate at the start.")] = 5e-5,
    min_lr: Annotated[float, typer.Option(help="Learning rate at the end (cosine).")] = 1e-6,
    weight_decay: Annotated[float, typer.Option(help="AdamW's weight decay.")] = 1e-2,
    encoder_name: Annotated[str, typer.Option(help="Any encoder of the library.")] = "resnet101",
    encoder_weights: Annotated[
        str, typer.Option(help="imagenet, none, or a file.", metavar="NAME|PATH")
    ] = "imagenet",
    encoder_depth: Annotated[
        int, typer.Option(help="Encoder stages that run: 3 (published) to 5.")
    ] = 3,
    init: Annotated[
        Path | None, typer.Option(help="Start from a whole network's checkpoint (fine-tuning).")
    ] = None,
    image_size: Annotated[int, typer.Option(help="Side of the square input in pixels.")] = 512,
    augment: Annotated[str, typer.Option(help="none or mild.")] = "none",
    dice_weight: Annotated[float, typer.Option(help="Weight of the Dice loss.")] = 0.5,
    focal_weight: Annotated[float, typer.Option(help="Weight of the focal loss.")] = 0.5,
    boundary_weight: Annotated[float, typer.Option(help="Weight of the boundary loss.")] = 0.0,
    accumulate: Annotated[int, typer.Option(help="Batches per optimizer step.")] = 1,
    clip_norm: Annotated[float, typer.Option(help="Largest gradient norm; 0: any.")] = 1.0,
    dropout: Annotated[float, typer.Option(help="Share of pyramid features dropped.")] = 0.2,
    freeze_norm: Annotated[
        bool, typer.Option("--freeze-norm", help="Keep batch-norm statistics as they are.")
    ] = False,
    split: Annotated[
        str, typer.Option(help="Split by case (surgery) or, as published, by frame.")
    ] = "case",
    folds: Annotated[int | None, typer.Option(help="Cross-validate with this many folds.")] = None,
    fold: Annotated[int, typer.Option(help="Which fold to validate on, from 0.")] = 0,
    split_file: Annotated[
        Path | None, typer.Option(help="Use the split.json of another run.")
    ] = None,
    respect_holes: Annotated[
        bool, typer.Option("--respect-holes", help="Cut the holes of polygons out.")
    ] = False,
    max_bad: Annotated[int, typer.Option(help="Unusable pairs to put up with.")] = 0,
    seed: Annotated[int, typer.Option(help="Decides split, order and initialization.")] = 0,
    device: opt.Device = "auto",
    precision: opt.Precision = "auto",
    workers: Annotated[int, typer.Option(help="Processes that read data; 0: none extra.")] = 0,
    keep_last: Annotated[
        int | None, typer.Option(help="Keep only this many model_epoch_*.pth.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")
    ] = False,
    overwrite: opt.Overwrite = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Log for TensorBoard too.")
    ] = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Train a PSPNet with Dice + Focal loss on annotated frames.

    Writes model_epoch_{E}.pth, best_model.pth, metrics.csv, training_results.png and split.json.
    Under torchrun several processes train together.
    """
    settings = dict(locals())
    for of_the_terminal in ("quiet", "verbose"):
        del settings[of_the_terminal]
    from cornea_train.config import TrainConfig
    from cornea_train.trainer import train as run_training

    def show(row: dict[str, float], best: bool) -> None:
        typer.echo(
            f"epoch {row['epoch']:3.0f}/{epochs}  loss {row['train_loss']:.4f}  "
            f"IoU {row['train_iou']:.4f}  |  validation loss {row['val_loss']:.4f}  "
            f"IoU {row['val_iou']:.4f}  Dice {row['val_dice']:.4f}{'  best' if best else ''}"
        )

    history = run_training(TrainConfig(**settings), None if quiet else show)
    best = max(row["val_iou"] for row in history)
    if not quiet:
        typer.echo(f"best validation IoU {best:.4f}: {output_dir / 'best_model.pth'}")
