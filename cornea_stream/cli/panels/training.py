"""The options of `train`: data, network and optimization; those of annotated frames in general."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from cornea_stream.cli import help as panels
from cornea_stream.cli import options as opt
from cornea_stream.cli.help import MOST_USED


@dataclass(frozen=True)
class AnnotatedFrames:
    """How annotated frames are read, and which of them."""

    PANEL: ClassVar[str] = panels.DATA

    split_file: Annotated[
        Path | None,
        typer.Option(
            help="The split.json of a run, whose validation frames are held out.",
            rich_help_panel=MOST_USED,
        ),
    ] = None
    data_format: opt.DataFormat = "auto"
    class_name: opt.ClassName = None
    mask_value: opt.MaskValue = None
    group_by: opt.GroupBy = None
    empty_is_background: opt.EmptyIsBackground = False
    respect_holes: opt.RespectHoles = False
    max_bad: Annotated[int, typer.Option(help="Maximum number of unusable pairs.", min=0)] = 0


@dataclass(frozen=True)
class Samples:
    """What an epoch consists of, and what is held out."""

    PANEL: ClassVar[str] = panels.SAMPLES

    split: Annotated[
        str | None,
        typer.Option(
            help="Split by case (surgery), by frame (as published), or auto: by case from 5 on.",
            show_default="case; with --init auto",
        ),
    ] = None
    folds: Annotated[int | None, typer.Option(help="Number of cross-validation folds.")] = None
    fold: Annotated[
        int | None,
        typer.Option(help="Fold to validate on, counted from 0.", show_default="0"),
    ] = None
    augment: Annotated[
        str | None,
        typer.Option(help="Augmentation: none or mild.", show_default="none; with --init mild"),
    ] = None
    mix_generated: Annotated[
        float | None,
        typer.Option(
            help="Share of generated frames, so that nothing is forgotten.",
            metavar="SHARE",
            show_default="0; with --init 0.5",
        ),
    ] = None
    least_frames: Annotated[
        int | None,
        typer.Option(
            help="Repeat few frames until an epoch has this many.",
            show_default="0; with --init 48",
        ),
    ] = None


@dataclass(frozen=True)
class Network:
    """What is trained."""

    PANEL: ClassVar[str] = panels.NETWORK

    encoder_name: Annotated[
        str | None,
        typer.Option(
            help="Encoder of segmentation-models-pytorch.",
            show_default="resnet101; with --init that of its weights",
        ),
    ] = None
    encoder_weights: Annotated[
        str | None,
        typer.Option(
            help="imagenet, lite0, lite1, lite2, none, or a file.",
            metavar="NAME|PATH",
            show_default="imagenet; with --init its weights",
        ),
    ] = None
    encoder_depth: Annotated[
        int | None,
        typer.Option(
            help="Encoder depth: 3 (published) to 5.",
            show_default="3; with --init that of its weights",
        ),
    ] = None
    image_size: Annotated[
        str | None,
        typer.Option(
            help="Input in pixels: a side or HEIGHTxWIDTH.",
            metavar="SIZE",
            show_default="512; with --init that of its weights",
        ),
    ] = None
    dropout: Annotated[float, typer.Option(help="Dropout of the pyramid features.")] = 0.2
    freeze_norm: Annotated[
        bool | None,
        typer.Option(
            "--freeze-norm/--no-freeze-norm",
            help="Keep batch-norm statistics fixed.",
            show_default="off; with --init on",
        ),
    ] = None


@dataclass(frozen=True)
class Optimization:
    """How it is trained."""

    PANEL: ClassVar[str] = panels.OPTIMIZATION

    epochs: Annotated[
        int | None,
        typer.Option(
            help="Number of epochs.", show_default="150; with --init 15", rich_help_panel=MOST_USED
        ),
    ] = None
    batch_size: Annotated[
        int, typer.Option(help="Images per batch, in total over all processes.")
    ] = 4
    lr: Annotated[
        float | None,
        typer.Option(help="Initial learning rate.", show_default="5e-5; with --init 2e-4"),
    ] = None
    min_lr: Annotated[
        float | None,
        typer.Option(
            help="Final learning rate (cosine schedule).", show_default="1e-6; with --init 2e-6"
        ),
    ] = None
    weight_decay: Annotated[float, typer.Option(help="Weight decay of AdamW.")] = 1e-2
    patience: Annotated[
        int | None,
        typer.Option(
            help="Stop after N epochs without a new best; 0 never stops early.",
            show_default="0; with --init 5",
        ),
    ] = None
    dice_weight: Annotated[float, typer.Option(help="Weight of the Dice loss.")] = 0.5
    focal_weight: Annotated[float, typer.Option(help="Weight of the focal loss.")] = 0.5
    boundary_weight: Annotated[float, typer.Option(help="Weight of the boundary loss.")] = 0.0
    accumulate: Annotated[int, typer.Option(help="Batches per optimizer step.")] = 1
    clip_norm: Annotated[
        float, typer.Option(help="Maximum gradient norm; 0 turns clipping off.")
    ] = 1.0
    seed: Annotated[int, typer.Option(help="Random seed for split, order and initialization.")] = 0


@dataclass(frozen=True)
class Computing:
    """What it is trained on."""

    PANEL: ClassVar[str] = panels.ENGINE

    device: opt.Device = "auto"
    precision: opt.Precision = "auto"
    workers: Annotated[
        int, typer.Option(help="Data-loading processes; 0 loads in the main process.")
    ] = 0


@dataclass(frozen=True)
class Records:
    """What a run leaves behind."""

    PANEL: ClassVar[str] = panels.OUTPUTS

    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue an interrupted run.", rich_help_panel=MOST_USED),
    ] = False
    overwrite: opt.Overwrite = False
    keep_last: Annotated[
        int | None,
        typer.Option(
            help="Keep only the last N model_epoch_*.pth files.",
            show_default="all; with --init 1",
        ),
    ] = None
    log: Annotated[
        list[str] | None,
        typer.Option(
            help="Also log to tensorboard, wandb or mlflow. Can be repeated.",
            metavar="NAME",
            show_default="metrics.csv only",
        ),
    ] = None
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="The same as --log tensorboard.")
    ] = False
