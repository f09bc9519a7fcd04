"""The network: weights, engine, masks, throughput."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from cornea_stream.cli import help as panels
from cornea_stream.cli import options as opt

if TYPE_CHECKING:
    from cornea_stream.batch.setup import Setup


@dataclass(frozen=True)
class Masks:
    """How the network's output becomes a mask."""

    PANEL: ClassVar[str] = panels.MASKS

    threshold: opt.Threshold = 0.5
    raw_mask: opt.RawMask = False


@dataclass(frozen=True)
class Weights:
    """Which weights, and what those of other trainers do not say themselves."""

    PANEL: ClassVar[str] = panels.ENGINE

    checkpoint: opt.Checkpoint = None
    input_size: opt.InputSize = None
    input_normalization: opt.InputNormalization = None
    class_index: opt.ClassIndex = None


@dataclass(frozen=True)
class Engine:
    """What computes the masks."""

    PANEL: ClassVar[str] = panels.ENGINE

    device: opt.Device = "auto"
    backend: opt.Backend = "auto"
    precision: opt.Precision = "auto"
    calibration_data: opt.CalibrationData = None

    def setup(
        self, weights: Weights, masks: Masks, *, batch_size: int | None = None, smooth: bool = False
    ) -> "Setup":
        """Return the arguments of a segmenter."""
        from cornea_stream.batch.setup import Setup

        return Setup(
            weights.checkpoint,
            device=self.device,
            backend=self.backend,
            precision=self.precision,
            calibration=self.calibration_data,
            batch_size=batch_size,
            threshold=masks.threshold,
            raw=masks.raw_mask,
            smooth=smooth,
            input_size=weights.input_size,
            input_normalization=weights.input_normalization,
            class_index=weights.class_index,
        )


@dataclass(frozen=True)
class Throughput:
    """How frames pass through the network together."""

    PANEL: ClassVar[str] = panels.ENGINE

    batch_size: Annotated[
        str, typer.Option(help="Frames per inference batch: auto or a number.", metavar="N")
    ] = "auto"
    smooth: Annotated[
        bool,
        typer.Option(
            "--smooth",
            help="Smooth the masks over time, without lag.",
            rich_help_panel=panels.MASKS,
        ),
    ] = False

    def frames(self) -> int | None:
        """Return the batch size; None for auto."""
        if self.batch_size == "auto":
            return None
        if not (self.batch_size.isascii() and self.batch_size.isdigit()) or self.batch_size == "0":
            raise typer.BadParameter(
                f"{self.batch_size!r} is neither auto nor a positive number: try auto"
            )
        return int(self.batch_size)
