"""`cornea-stream train`: the published recipe, with its errors fixed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cornea_stream.cli import options as opt


def train(
    data_dir: Annotated[Path, typer.Option(help="Folder of annotated frames.")],
    output_dir: Annotated[
        Path, typer.Option("--output-dir", "-o", help="Folder for checkpoints and curves.")
    ] = Path("model_weights"),
    data_format: opt.DataFormat = "auto",
    class_name: opt.ClassName = None,
    mask_value: opt.MaskValue = None,
    group_by: opt.GroupBy = None,
    empty_is_background: opt.EmptyIsBackground = False,
    epochs: Annotated[int, typer.Option(help="Number of epochs.")] = 150,
    batch_size: Annotated[
        int, typer.Option(help="Images per batch, in total over all processes.")
    ] = 4,
    lr: Annotated[float, typer.Option(help="Initial learning rate.")] = 5e-5,
    min_lr: Annotated[float, typer.Option(help="Final learning rate (cosine schedule).")] = 1e-6,
    weight_decay: Annotated[float, typer.Option(help="Weight decay of AdamW.")] = 1e-2,
    encoder_name: Annotated[
        str, typer.Option(help="Encoder of segmentation-models-pytorch.")
    ] = "resnet101",
    encoder_weights: Annotated[
        str,
        typer.Option(help="imagenet, lite0, lite1, lite2, none, or a file.", metavar="NAME|PATH"),
    ] = "imagenet",
    encoder_depth: Annotated[int, typer.Option(help="Encoder depth: 3 (published) to 5.")] = 3,
    init: Annotated[Path | None, typer.Option(help="Checkpoint to fine-tune.")] = None,
    image_size: Annotated[
        int, typer.Option(help="Side length of the square input in pixels.")
    ] = 512,
    augment: Annotated[str, typer.Option(help="Augmentation: none or mild.")] = "none",
    dice_weight: Annotated[float, typer.Option(help="Weight of the Dice loss.")] = 0.5,
    focal_weight: Annotated[float, typer.Option(help="Weight of the focal loss.")] = 0.5,
    boundary_weight: Annotated[float, typer.Option(help="Weight of the boundary loss.")] = 0.0,
    accumulate: Annotated[int, typer.Option(help="Batches per optimizer step.")] = 1,
    clip_norm: Annotated[
        float, typer.Option(help="Maximum gradient norm; 0 turns clipping off.")
    ] = 1.0,
    dropout: Annotated[float, typer.Option(help="Dropout of the pyramid features.")] = 0.2,
    freeze_norm: Annotated[
        bool, typer.Option("--freeze-norm", help="Keep batch-norm statistics fixed.")
    ] = False,
    split: Annotated[
        str, typer.Option(help="Split by case (surgery) or by frame (as published).")
    ] = "case",
    folds: Annotated[int | None, typer.Option(help="Number of cross-validation folds.")] = None,
    fold: Annotated[int, typer.Option(help="Fold to validate on, counted from 0.")] = 0,
    split_file: Annotated[
        Path | None, typer.Option(help="Use the split.json of another run.")
    ] = None,
    respect_holes: opt.RespectHoles = False,
    max_bad: Annotated[int, typer.Option(help="Maximum number of unusable pairs.")] = 0,
    seed: Annotated[int, typer.Option(help="Random seed for split, order and initialization.")] = 0,
    device: opt.Device = "auto",
    precision: opt.Precision = "auto",
    workers: Annotated[
        int, typer.Option(help="Data-loading processes; 0 loads in the main process.")
    ] = 0,
    keep_last: Annotated[
        int | None, typer.Option(help="Keep only the last N model_epoch_*.pth files.", metavar="N")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run.")] = False,
    overwrite: opt.Overwrite = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write TensorBoard logs.")
    ] = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Train a PSPNet with Dice + focal loss on annotated frames.

    Writes model_epoch_{E}.pth, best_model.pth, metrics.csv, training_results.png and split.json.
    Start it with torchrun to train with several processes.
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
