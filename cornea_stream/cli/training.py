"""Show a training run on the terminal: progress with the time left, and before and after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from cornea_stream.cli.messages import as_options

if TYPE_CHECKING:
    from cornea_train.config import TrainConfig
    from cornea_train.trainer import Step

Row = dict[str, float]


def run_and_report(config: TrainConfig, *, quiet: bool) -> None:
    """Train; show progress, what each epoch brought, and what the run leaves behind."""
    from cornea_train.recorder import left_behind
    from cornea_train.trainer import train

    out = Console(highlight=False, soft_wrap=True, quiet=quiet)
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    seen: list[Row] = []

    def show(row: Row, best: bool) -> None:
        seen.append(row)
        out.print(_line(row, config.epochs, best))

    def warn(note: str) -> None:
        if not quiet:
            errors.print(f"[yellow]Warning: {escape(as_options(note))}[/]")

    with TrainingBar(config, errors, quiet) as bar, _how_to_continue(config, errors, seen):
        history = train(config, show, on_step=bar.step, on_note=warn)
    if seen or config.resume:  # one process of several prints
        _print_result(out, config, history)
        for name, size, why in left_behind(config.output_dir):
            out.print(f"  {escape(name):24} {decimal(size):>12}  {why}")


class TrainingBar:
    """The epoch, its steps, the time left for all epochs, and the best IoU so far."""

    def __init__(self, config: TrainConfig, console: Console, quiet: bool) -> None:
        self._epochs, self._is_loading = config.epochs, True
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(),
            TextColumn("{task.fields[best]}"),
            console=console, disable=quiet or not console.is_terminal, transient=True,
        )  # fmt: skip
        self._bar = self._progress.add_task("loading", total=None, best="")

    def __enter__(self) -> TrainingBar:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def step(self, at: Step) -> None:
        """Show what is done."""
        done = (at.epoch - 1) * at.steps + at.done
        if self._is_loading:  # time counts from here, also in a run that is resumed
            self._progress.reset(self._bar, completed=done - 1, total=self._epochs * at.steps)
            self._is_loading = False
        self._progress.update(
            self._bar,
            description=f"epoch {at.epoch}/{self._epochs}, step {at.done}/{at.steps}",
            completed=done,
            best="" if at.best_iou is None else f"best IoU {at.best_iou:.4f}",
        )


@contextmanager
def _how_to_continue(config: TrainConfig, console: Console, seen: list[Row]) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        epoch = f" after epoch {seen[-1]['epoch']:.0f} of {config.epochs}" if seen else ""
        if seen or config.resume:  # else nothing is saved
            console.print(f"Stopped{epoch}. The same command with --resume continues there.")
        raise


def _line(row: Row, epochs: int, best: bool) -> str:
    if "train_loss" in row:
        trained = f"loss {row['train_loss']:.4f}  IoU {row['train_iou']:.4f}"
    else:
        trained = f"{'starting weights':24}"
    known = f"  generated IoU {row['generated_iou']:.4f}" if "generated_iou" in row else ""
    return (
        f"epoch {row['epoch']:3.0f}/{epochs}  {trained}  |  validation loss "
        f"{row['val_loss']:.4f}  IoU {row['val_iou']:.4f}  Dice {row['val_dice']:.4f}{known}"
        f"{'  best' if best else ''}"
    )


def _print_result(out: Console, config: TrainConfig, history: list[Row]) -> None:
    from cornea_train.trainer import best_row

    start, best = history[0], best_row(history)
    path = escape(str(config.output_dir / "best_model.pth"))
    if start["epoch"]:
        out.print(f"best validation IoU {best['val_iou']:.4f}: {path}")
        return
    if best is start:
        out.print(
            f"No epoch beat the starting weights (IoU {start['val_iou']:.4f}): {path} holds them "
            "unchanged. Correct more frames, or try a lower --lr."
        )
        return
    last = history[-1]["epoch"]
    if last < config.epochs:
        out.print(f"Stopped early after epoch {last:.0f}: {config.patience} brought nothing more.")
    table = Table(title=f"Before and after (epoch {best['epoch']:.0f})")
    for heading in ("frames", "before", "after", "change"):
        table.add_column(heading, justify="left" if heading == "frames" else "right")
    rows = {
        "held-out frames, IoU": "val_iou",
        "held-out frames, Dice": "val_dice",
        "generated frames, IoU": "generated_iou",
    }
    for label, key in rows.items():
        if key in start:
            before, after = start[key], best[key]
            table.add_row(label, f"{before:.4f}", f"{after:.4f}", f"{after - before:+.4f}")
    out.print(table)
    out.print(f"Better weights: {path}")
