"""The training loop: epochs, checkpoints, curves, resume."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from cornea_stream.engines.precision import DTYPES, choose_precision
from cornea_stream.errors import UsageError
from cornea_train.config import TrainConfig
from cornea_train.dataset import Cache, open_cache
from cornea_train.distributed import World, join_world
from cornea_train.loaders import Batch, Loaders
from cornea_train.losses import CorneaLoss
from cornea_train.metrics import Tally
from cornea_train.network import (
    TrainNet,
    build_network,
    class_name_of,
    settled,
    slow_convolutions_in_float32,
)
from cornea_train.recorder import (
    CACHE,
    SPLIT,
    STATE,
    Recorder,
    clear_folder,
    prepare_folder,
    read_state,
)
from cornea_train.split import Split, check_split, make_split, write_split

Row = dict[str, float]


@dataclass(frozen=True, slots=True)
class Step:
    """Where a run is: `done` of the `steps` of an epoch, and the best validation IoU so far."""

    epoch: int
    done: int
    steps: int
    best_iou: float | None


class Trainer:
    """The network, optimizer and data of a training run in one process."""

    def __init__(self, config: TrainConfig, world: World, cache: Cache, split: Split) -> None:
        """Build the network and loaders. Raises CheckpointError, UsageError."""
        self.config, self.world = config, world
        torch.manual_seed(config.seed)
        self.network, self.spec = build_network(config)
        self.network = self.network.to(world.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if world.device.type == "cpu":
            slow_convolutions_in_float32(self.network)
        self.precision = choose_precision(config.precision, world.device)
        self._model = self._wrapped()
        trained = [p for p in self.network.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, config.lr, weight_decay=config.weight_decay)
        self.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimizer, T_max=config.epochs, eta_min=config.min_lr
        )
        self.scaler = torch.amp.GradScaler(world.device.type, enabled=self.precision == "fp16")
        self.loss = CorneaLoss(config.dice_weight, config.focal_weight, config.boundary_weight)
        self.loaders = Loaders(config, world, cache, split)
        self.history: list[Row] = []

    def score_start(self) -> Row:
        """Score the weights before the first epoch, as epoch 0, and return the row."""
        self.history.append({"epoch": 0.0, "lr": 0.0, **self._scores()})
        return self.history[-1]

    def run_epoch(self, on_step: Callable[[Step], None] | None = None) -> Row:
        """Train and validate for one epoch; append the row to `history` and return it."""
        epoch = self.epoch + 1
        lr = self.optimizer.param_groups[0]["lr"]
        train = self._train(epoch, on_step)
        self.scheduler.step()
        row = {"epoch": float(epoch), "lr": lr}
        row |= {f"train_{k}": v for k, v in train.items()} | self._scores()
        self.history.append(row)
        return row

    @property
    def epoch(self) -> int:
        """The number of epochs that are complete."""
        return int(self.history[-1]["epoch"]) if self.history else 0

    @property
    def best(self) -> Row:
        """The row of the first epoch with the highest validation IoU."""
        return best_row(self.history)

    @property
    def is_done(self) -> bool:
        """Whether all epochs are complete, or the last ones brought nothing."""
        if self.epoch >= self.config.epochs:
            return True
        patience = self.config.patience
        return bool(patience and self.history and self.epoch - self.best["epoch"] >= patience)

    def state(self) -> dict[str, Any]:
        """Return everything the next epoch depends on, apart from settings and data."""
        return {
            **self.outline(),
            "network": self.network.pspnet.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def outline(self) -> dict[str, Any]:
        """Return what is left of `state` of a complete run."""
        return {"settings": self.config.fixed, "history": self.history}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from `state`. Raises UsageError if the settings differ from that run."""
        for name, given in self.config.fixed.items():
            value = state["settings"].get(name, given)
            if given != value:
                raise UsageError(
                    f"cannot resume with {name} {given}: the run had {value}: use that, or start "
                    "again in another output folder"
                )
        self.history = list(state["history"])
        if "network" not in state:  # that run is complete
            return
        self.network.pspnet.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.scaler.load_state_dict(state["scaler"])

    def _wrapped(self) -> nn.Module:
        if self.world.size == 1:
            return self.network
        network: nn.Module = self.network
        if self.world.device.type == "cuda" and not self.config.freeze_norm:
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
            assert isinstance(network, TrainNet)
            self.network = network
        device_ids = [self.world.device] if self.world.device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids=device_ids)

    def _batches(self, loader: DataLoader[Batch]) -> Iterator[Batch]:
        for images, masks in loader:
            target = (masks.to(self.world.device, non_blocking=True)[:, None] > 0).float()
            yield images.to(self.world.device, non_blocking=True), target

    def _autocast(self) -> torch.autocast:
        return torch.autocast(
            self.world.device.type, DTYPES[self.precision], enabled=self.precision != "fp32"
        )

    def _train(self, epoch: int, on_step: Callable[[Step], None] | None) -> Row:
        # Dropout depends only on seed, epoch and process, so no random state needs to be saved.
        torch.manual_seed((self.config.seed * 100_003 + epoch) * 1009 + self.world.rank)
        self._model.train()
        if self.config.freeze_norm:
            for module in self.network.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        for part in (self.loaders.train.sampler, self.loaders.train.dataset):
            part.epoch = epoch  # type: ignore[union-attr]
        tally = Tally(self.world.device)
        steps = len(self.loaders.train)
        best_iou = self.best["val_iou"] if self.history else None
        for step, (images, target) in enumerate(self._batches(self.loaders.train), start=1):
            last = step % self.config.accumulate == 0 or step == steps
            # Gradients only need to be summed over processes before an optimizer step.
            together = nullcontext() if last or self.world.size == 1 else self._model.no_sync()  # type: ignore[operator]
            with together:
                with self._autocast():
                    logits = self._model(images)
                loss = self.loss(logits.float(), target)
                self.scaler.scale(loss / self._in_group(step, steps)).backward()
            if last:
                self._step()
            tally.add(loss, logits.float(), target)
            if on_step:
                on_step(Step(epoch, step, steps, best_iou))
        self.world.add_up(tally.sums)
        return tally.result()

    def _in_group(self, step: int, steps: int) -> int:
        """Return the number of batches in the optimizer step that contains `step`."""
        size = self.config.accumulate
        first = (step - 1) // size * size
        return min(size, steps - first)

    def _step(self) -> None:
        if self.config.clip_norm:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)

    def _scores(self) -> Row:
        row = {
            f"val_{name}": value for name, value in self._validate(self.loaders.validation).items()
        }
        if self.loaders.generated is not None:
            row["generated_iou"] = self._validate(self.loaders.generated)["iou"]
        return row

    @torch.inference_mode()
    def _validate(self, loader: DataLoader[Batch]) -> Row:
        self.network.eval()
        tally = Tally(self.world.device)
        for images, target in self._batches(loader):
            with self._autocast():
                logits = self.network(images).float()
            tally.add(self.loss(logits, target), logits, target)
        self.world.add_up(tally.sums)
        return tally.result()


def best_row(history: Sequence[Row]) -> Row:
    """Return the first row with the highest validation IoU."""
    return max(history, key=lambda row: row["val_iou"])


def train(
    config: TrainConfig,
    on_epoch: Callable[[Row, bool], None] | None = None,
    *,
    on_step: Callable[[Step], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> list[Row]:
    """Train with `config`; write checkpoints, metrics.csv and curves; return the history.

    With `init`, the history begins with the score of these weights as epoch 0, which
    best_model.pth holds until an epoch is better. In the writing process, `on_epoch` is called
    with the row of each epoch and whether it is the best so far, `on_step` after each
    step, and `on_note` with what the user should know, in words.
    Raises SourceError, UsageError, CheckpointError and OutputError.
    """
    config.check()
    config, notes = settled(config)
    folder = config.output_dir
    with join_world(config.device) as world:
        note = on_note if on_note and world.is_writer else _unheard
        for text in notes:
            note(text)
        if world.is_writer:
            prepare_folder(config)
        world.wait()
        if world.is_writer:  # the other processes use the same cache
            _open_cache(config)
        world.wait()
        cache = _open_cache(config)
        split = make_split(cache.pairs, config)
        trainer = Trainer(config, world, cache, split)
        state: dict[str, Any] = {}
        if config.resume:
            state = read_state(folder / STATE, world.device)
            trainer.restore(state)
            check_split(folder / SPLIT, split, cache.pairs)
        recorder = Recorder(trainer, state.get("run_ids", {}), note) if world.is_writer else None
        while not trainer.is_done:
            is_first = not trainer.history
            if is_first and config.init is not None:
                row = trainer.score_start()
            else:
                row = trainer.run_epoch(on_step if world.is_writer else None)
            if recorder:
                if is_first:  # only now remove an earlier run
                    clear_folder(folder)
                    write_split(folder / SPLIT, split, cache.pairs)
                recorder.record()
                if on_epoch:
                    on_epoch(row, trainer.best is row)
            world.wait()
        if recorder:
            recorder.finish()
        return trainer.history


def _unheard(text: str) -> None:
    """Take a note for nobody."""


def _open_cache(config: TrainConfig) -> Cache:
    return open_cache(
        config.data_dir,
        config.output_dir / CACHE,
        config.input_size,
        options=config.data_options(class_name_of(config)),
        max_bad=config.max_bad,
    )
