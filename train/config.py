"""All settings of a training run in one frozen dataclass; the defaults are the recipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cornea_stream.errors import UsageError, check_number, require
from cornea_stream.models.pspnet import MAX_SIDE
from cornea_train.formats import AUTO, DataOptions, check_names

AUGMENTATIONS = ("none", "mild")
SPLITS = ("case", "frame")


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Settings of a training run.

    `image_size` is the side length of the square input in pixels. `batch_size` is the number of
    images per forward pass, in total over all processes; an optimizer step takes `accumulate`
    batches. `encoder_weights` is imagenet, lite0 to lite2, none or a file. `init` is a checkpoint
    to fine-tune. The weights of the loss terms need not sum to one. `clip_norm` 0 turns clipping
    off. `dropout` applies to the pyramid features. `data_format`, `class_name`, `mask_value`,
    `group_by`, `empty_is_background` and `respect_holes` are explained by `DataOptions`;
    `class_name` None is the structure of `init`, or else the cornea.
    """

    data_dir: Path
    output_dir: Path = Path("model_weights")
    data_format: str = AUTO
    class_name: str | None = None
    mask_value: str | None = None
    group_by: str | None = None
    empty_is_background: bool = False
    epochs: int = 150
    batch_size: int = 4
    lr: float = 5e-5
    min_lr: float = 1e-6
    weight_decay: float = 1e-2
    encoder_name: str = "resnet101"
    encoder_weights: str = "imagenet"
    encoder_depth: int = 3
    init: Path | None = None
    image_size: int = 512
    augment: str = "none"
    dice_weight: float = 0.5
    focal_weight: float = 0.5
    boundary_weight: float = 0.0
    accumulate: int = 1
    clip_norm: float = 1.0
    dropout: float = 0.2
    freeze_norm: bool = False
    split: str = "case"
    folds: int | None = None
    fold: int = 0
    split_file: Path | None = None
    respect_holes: bool = False
    max_bad: int = 0
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    workers: int = 0
    keep_last: int | None = None
    resume: bool = False
    overwrite: bool = False
    tensorboard: bool = False

    def data_options(self, class_name: str) -> DataOptions:
        """Return how the annotated frames are read, for the class `class_name`."""
        return DataOptions(
            self.data_format, class_name, self.mask_value, self.group_by,
            self.empty_is_background, self.respect_holes,
        )  # fmt: skip

    def check(self) -> None:
        """Raise UsageError for the first invalid setting."""
        require("matplotlib", "train", "training")
        check_names(self.data_format)
        for name in ("epochs", "batch_size", "accumulate", "image_size"):
            check_number(name, getattr(self, name), 1, example=4)
        for name in ("workers", "max_bad", "seed"):
            check_number(name, getattr(self, name), 0, example=0)
        for name in ("lr", "min_lr"):
            check_number(name, getattr(self, name), 0, 1, example=5e-5)
        for name in ("weight_decay", "clip_norm", "dice_weight", "focal_weight", "boundary_weight"):
            check_number(name, getattr(self, name), 0, example=0.5)
        if self.min_lr > self.lr:
            raise UsageError(f"min_lr is above lr: {self.min_lr:g} and {self.lr:g}: swap them")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"dropout must be between 0 and 1: {self.dropout:g}: try 0.2")
        if not 3 <= self.encoder_depth <= 5:
            raise UsageError(
                f"encoder_depth must be 3, 4 or 5: {self.encoder_depth}: use one of them"
            )
        if self.image_size % 2**self.encoder_depth or self.image_size > MAX_SIDE:
            raise UsageError(
                f"image_size must be a multiple of {2**self.encoder_depth} up to {MAX_SIDE}: "
                f"{self.image_size}: try 512"
            )
        if self.augment not in AUGMENTATIONS:
            raise UsageError(f"unknown augment: {self.augment!r}: use {' or '.join(AUGMENTATIONS)}")
        if self.split not in SPLITS:
            raise UsageError(f"unknown split: {self.split!r}: use {' or '.join(SPLITS)}")
        if self.folds is not None and (self.folds < 2 or not 0 <= self.fold < self.folds):
            raise UsageError(
                f"no fold {self.fold} of {self.folds}: give 2 folds or more, and a fold from 0 on"
            )
        if self.keep_last is not None and self.keep_last < 1:
            raise UsageError(
                f"keep_last must be 1 or more: {self.keep_last}: leave it out to keep all"
            )
        weights = (self.dice_weight, self.focal_weight, self.boundary_weight)
        if not any(weights):
            raise UsageError("all loss weights are 0: give dice_weight or focal_weight 0.5")
