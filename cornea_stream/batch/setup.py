"""The segmenter of a worker, as plain data that can be sent to it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cornea_stream.inference.segmenter import MaskSettings, Segmenter, check_settings
from cornea_stream.models.checkpoint import Checkpoint, load_checkpoint
from cornea_stream.models.shipped import resolve_checkpoint


@dataclass(frozen=True, slots=True)
class Setup:
    """The arguments of a `Segmenter` as plain data."""

    checkpoint: Path | None = None
    device: str = "auto"
    backend: str = "auto"
    precision: str = "auto"
    batch_size: int | None = None
    calibration: Path | None = None
    threshold: float = 0.5
    raw: bool = False
    smooth: bool = False
    input_size: str | None = None
    input_normalization: str | None = None
    class_index: int | str | None = None

    def absolute(self) -> Setup:
        """Return the same with absolute paths."""
        return replace(
            self,
            checkpoint=self.checkpoint and resolve_checkpoint(self.checkpoint).absolute(),
            calibration=self.calibration and self.calibration.absolute(),
        )

    def check(self) -> None:
        """Check the arguments without loading the network. Raises UsageError and SourceError."""
        check_settings(
            self.device, self.backend, self.precision, self.batch_size, self.calibration,
            self.threshold,
        )  # fmt: skip

    def load(self) -> Checkpoint:
        """Load the weights, without an engine. Raises CheckpointError and UsageError."""
        return load_checkpoint(
            self.checkpoint,
            input_size=self.input_size,
            input_normalization=self.input_normalization,
            class_index=self.class_index,
        )

    def build(self) -> Segmenter:
        """Load the weights onto the device. Raises the errors of `Segmenter`."""
        return Segmenter(**asdict(self))

    def mask_settings(self) -> MaskSettings:
        """Return what `build().mask_settings` would be, without building an engine.

        Raises CheckpointError.
        """
        weights = self.load()
        return MaskSettings(
            weights.sha256, self.precision, self.threshold, self.raw, self.smooth,
            MaskSettings.calibrated_on(self.calibration), weights.spec.class_name, weights.stated,
        )  # fmt: skip
