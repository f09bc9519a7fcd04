"""All settings of a training run in one frozen dataclass; the defaults are the recipe."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cornea_stream.errors import UsageError, check_number, require
from cornea_stream.models.pspnet import MAX_SIDE
from cornea_train.formats import AUTO, DataOptions, check_names
from cornea_train.run_log import LOGS

AUGMENTATIONS = ("none", "mild")
SPLITS = ("case", "frame", "auto")
FINE_TUNING: dict[str, Any] = {
    "epochs": 15, "lr": 2e-4, "min_lr": 2e-6, "freeze_norm": True, "augment": "mild",
    "mix_generated": 0.5, "least_frames": 48, "patience": 5, "split": "auto", "keep_last": 1,
}  # fmt: skip
"""What suits 10 to 200 corrected frames, in place of the recipe; see benchmarks/correction.py."""
FIXED = (
    "epochs", "batch_size", "lr", "min_lr", "weight_decay", "image_size", "augment",
    "dice_weight", "focal_weight", "boundary_weight", "accumulate",
    "clip_norm", "dropout", "freeze_norm", "mix_generated", "least_frames", "patience", "seed",
    "class_name",
)  # fmt: skip
"""Settings of which a resumed run must have the same values, besides the encoder."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """The encoder that is built without `init`; the defaults are the recipe's."""

    name: str = "resnet101"
    weights: str = "imagenet"
    depth: int = 3


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Settings of a training run.

    `image_size` is the side or the (height, width) of the input in pixels; 0 is that of `init`, or
    512. `batch_size` is the number of images per forward pass, in total over all processes; an
    optimizer step takes `accumulate` batches. `encoder_weights` is imagenet, lite0 to lite2, none
    or a file; None are the recipe's `encoder_name`, `encoder_weights` and `encoder_depth`.
    `init` is a checkpoint or the name of shipped weights to fine-tune; encoder, input size, mean
    and std are then its own.
    `mix_generated` is the share of generated frames among the samples. An epoch repeats frames
    until there are `least_frames`. A run stops after `patience` epochs without a new best, unless
    it is 0. `split` auto holds out surgeries if there are many, else frames; None is case. `fold`
    None is 0. The weights of the loss terms need not sum to one. `clip_norm` 0 turns clipping off.
    `dropout` applies to the pyramid features. `data_format`, `class_name`, `mask_value`,
    `group_by`, `empty_is_background` and `respect_holes` are explained by `DataOptions`;
    `class_name` None is the structure of `init`, or else the cornea. `log` names where metrics are
    sent besides metrics.csv: tensorboard, wandb, mlflow.
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
    encoder_name: str | None = None
    encoder_weights: str | None = None
    encoder_depth: int | None = None
    init: Path | None = None
    image_size: int | tuple[int, int] = 0
    augment: str = "none"
    mix_generated: float = 0.0
    least_frames: int = 0
    patience: int = 0
    dice_weight: float = 0.5
    focal_weight: float = 0.5
    boundary_weight: float = 0.0
    accumulate: int = 1
    clip_norm: float = 1.0
    dropout: float = 0.2
    freeze_norm: bool = False
    split: str | None = None
    folds: int | None = None
    fold: int | None = None
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
    log: tuple[str, ...] = ()

    @classmethod
    def of(cls, **given: Any) -> TrainConfig:
        """Return the given settings over the recipe's, or with `init` over FINE_TUNING."""
        usual = dict(FINE_TUNING) if given.get("init") else {}
        if given.get("split_file"):
            usual.pop("split", None)
        return cls(**{**usual, **given})

    @property
    def encoder(self) -> Encoder:
        """The encoder that is built without `init`."""
        given: dict[str, Any] = {
            "name": self.encoder_name,
            "weights": self.encoder_weights,
            "depth": self.encoder_depth,
        }
        return Encoder(**{name: value for name, value in given.items() if value is not None})

    def completed(self) -> TrainConfig:
        """Return the settings with those of the recipe for None, as a run records them."""
        own: dict[str, Any] = {}
        if self.init is None:
            own |= {f"encoder_{name}": value for name, value in asdict(self.encoder).items()}
        if self.split_file is None:
            own |= {"split": self.split or "case", "fold": self.fold or 0}
        return replace(self, **own)

    @property
    def fixed(self) -> dict[str, Any]:
        """The settings of which a resumed run must have the same values."""
        # Runs of earlier versions recorded an encoder with `init`, too, and did not use it.
        encoder = ("encoder_name", "encoder_depth") if self.init is None else ()
        completed = self.completed()
        return {name: getattr(completed, name) for name in (*FIXED, *encoder)}

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the input in pixels."""
        size = self.image_size
        return (size, size) if isinstance(size, int) else size

    @property
    def logs(self) -> tuple[str, ...]:
        """Where metrics are sent besides metrics.csv, each once."""
        return tuple(dict.fromkeys((*self.log, *(("tensorboard",) if self.tensorboard else ()))))

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
        for name in ("epochs", "batch_size", "accumulate"):
            check_number(name, getattr(self, name), 1, example=4)
        for name in ("workers", "max_bad", "seed", "least_frames", "patience"):
            check_number(name, getattr(self, name), 0, example=0)
        for name in ("lr", "min_lr"):
            check_number(name, getattr(self, name), 0, 1, example=5e-5)
        for name in ("weight_decay", "clip_norm", "dice_weight", "focal_weight", "boundary_weight"):
            check_number(name, getattr(self, name), 0, example=0.5)
        if self.min_lr > self.lr:
            raise UsageError(f"min_lr is above lr: {self.min_lr:g} and {self.lr:g}: swap them")
        for name in ("dropout", "mix_generated"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(
                    f"{name} must be between 0 and 1: {getattr(self, name):g}: try 0.2"
                )
        if not 3 <= self.encoder.depth <= 5:
            raise UsageError(
                f"encoder_depth must be 3, 4 or 5: {self.encoder.depth}: use one of them"
            )
        stride = 2**self.encoder.depth
        sides = self.input_size
        if self.init is None and any(s % stride or not 0 <= s <= MAX_SIDE for s in sides):
            raise UsageError(
                f"image_size must be a multiple of {stride} up to {MAX_SIDE}: "
                f"{self.image_size}: try 512"
            )
        if self.augment not in AUGMENTATIONS:
            raise UsageError(f"unknown augment: {self.augment!r}: use {' or '.join(AUGMENTATIONS)}")
        if self.split is not None and self.split not in SPLITS:
            raise UsageError(f"unknown split: {self.split!r}: use {' or '.join(SPLITS)}")
        if unknown := [name for name in self.log if name not in LOGS]:
            raise UsageError(f"unknown log: {unknown[0]!r}: use {', '.join(LOGS)}")
        self._check_idle()
        fold = self.fold or 0
        if self.folds is not None and (self.folds < 2 or not 0 <= fold < self.folds):
            raise UsageError(
                f"no fold {fold} of {self.folds}: give 2 folds or more, and a fold from 0 on"
            )
        if self.keep_last is not None and self.keep_last < 1:
            raise UsageError(
                f"keep_last must be 1 or more: {self.keep_last}: leave it out to keep all"
            )
        weights = (self.dice_weight, self.focal_weight, self.boundary_weight)
        if not any(weights):
            raise UsageError("all loss weights are 0: give dice_weight or focal_weight 0.5")

    def _check_idle(self) -> None:
        """Raise UsageError for a setting without effect, since another one decides."""
        if self.init is not None:
            self._refuse(
                ("encoder_name", "encoder_weights", "encoder_depth"),
                f"training without init=FILE: {self.init}",
                "one of the two",
            )
        if self.split_file is not None:
            self._refuse(
                ("split", "folds", "fold"),
                f"splits without split_file: {self.split_file}",
                "one of the two",
            )
        if self.folds is None:
            self._refuse(("fold",), "cross-validation with folds=5", "both")

    def _refuse(self, names: tuple[str, ...], purpose: str, advice: str) -> None:
        for name in names:
            if getattr(self, name) is not None:
                raise UsageError(f"{name} is for {purpose}: use {advice}")
