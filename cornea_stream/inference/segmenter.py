"""The segmenter: frames in, cornea masks out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cornea_stream.engines import Engine, build_engine
from cornea_stream.engines.factory import choose_engine
from cornea_stream.engines.names import device_names, precision_name
from cornea_stream.errors import (
    SourceError,
    UsageError,
    check_flag,
    check_number,
    check_path,
    wrong_type,
)
from cornea_stream.inference.calibration_frames import calibration_images
from cornea_stream.inference.image_input import image_frame
from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.inference.stages import SegmenterStages
from cornea_stream.inference.stream import Request, StreamInput, results
from cornea_stream.media.class_name import CLASS_NAME
from cornea_stream.media.image_input import ColorOrder, ImageInput, is_batch, is_image
from cornea_stream.media.times import optional_seconds
from cornea_stream.models.checkpoint import Checkpoint, load_checkpoint
from cornea_stream.sources import Source
from cornea_stream.sources.read_options import ReadOptions

if TYPE_CHECKING:
    import torch

MAX_BATCH = 1024
"""Larger batches are not faster on any hardware, and their frames are held in memory."""


@dataclass(frozen=True, slots=True)
class MaskSettings:
    """Everything apart from the frame that determines a mask.

    `checkpoint` is the SHA-256 of the weights, `stated_input` what the user stated of them.
    `calibration` is the path of the images that int8 was calibrated on, or None for generated ones.
    `class_name` is the structure of the weights.
    """

    checkpoint: str
    precision: str
    threshold: float
    raw_mask: bool
    smooth: bool
    calibration: str | None = None
    class_name: str = CLASS_NAME
    stated_input: str | None = None

    @staticmethod
    def calibrated_on(path: str | Path | None) -> str | None:
        """Return the value of `calibration` for a path, independent of the current folder."""
        return None if path is None else str(Path(path).resolve())


class Segmenter:
    """Segments the cornea in images and videos; it holds one loaded network.

    Examples:
        >>> segmenter = Segmenter()
        >>> segmenter(image).mask.shape  # an (H, W, 3) uint8 RGB array
        (384, 512)
        >>> for found in segmenter.stream("surgery.mp4", every=5):
        ...     print(f"{found.frame.time_s:.2f} s", found.mask.shape)
        0.00 s (384, 512)
        0.20 s (384, 512)

    """

    def __init__(
        self,
        checkpoint: str | Path | Checkpoint | None = None,
        *,
        device: str | int | Sequence[int] | torch.device = "auto",
        backend: str = "auto",
        precision: str = "auto",
        batch_size: int | None = None,
        calibration: str | Path | None = None,
        threshold: float = 0.5,
        raw: bool = False,
        smooth: bool = False,
        input_size: int | str | tuple[int, int] | None = None,
        input_normalization: str | None = None,
        class_index: int | str | None = None,
    ) -> None:
        """Load the network onto a device.

        `checkpoint` is a file, loaded weights, or None for the default weights; `input_size`,
        `input_normalization` and `class_index` state what a file does not (see `load_checkpoint`).
        `device` is auto, cpu, cuda, cuda:N, the number of a GPU, a `torch.device`, or several GPUs
        separated by commas. `backend` is auto (OpenVINO on a CPU if it is installed, else torch),
        torch or openvino. `precision` is auto (the fastest native one), fp32, bf16, fp16, or int8
        with OpenVINO. `batch_size` depends on the device if None. `calibration` is a video or
        folder of images to calibrate int8 on; None generates frames. `threshold` is the
        probability above which a pixel is cornea. `raw` returns the thresholded mask without
        cleanup. `smooth` averages the logits of each frame of a stream or run with those of the two
        frames before and after it.
        Raises CheckpointError for unusable weights, UsageError for invalid settings, and
        SourceError for an unreadable calibration video.
        """
        precision = precision_name(precision)
        if not isinstance(device, str):
            device = device_names(device)
        check_flag("raw", raw)
        check_flag("smooth", smooth)
        check_settings(device, backend, precision, batch_size, calibration, threshold)
        stated = {
            "input_size": input_size,
            "input_normalization": input_normalization,
            "class_index": class_index,
        }
        loaded = _loaded(checkpoint, stated)
        self.checkpoint = loaded
        self.threshold = threshold
        self.precision = precision
        self.raw = raw
        self.smooth = smooth
        self.calibration = calibration
        self.in_session = threading.Lock()
        self.engine: Engine[Any] = build_engine(
            loaded,
            device=device,
            backend=backend,
            precision=precision,
            batch_size=batch_size,
            calibration=None
            if calibration is None
            else calibration_images(calibration, loaded.spec.image_size),
        )

    @property
    def class_name(self) -> str:
        """The structure that the weights are for."""
        return self.checkpoint.spec.class_name

    @property
    def stages(self) -> SegmenterStages:
        """The stages between decoding and the outputs, with the settings of now."""
        spec = self.checkpoint.spec
        return SegmenterStages(
            self.engine, spec.image_size, spec.class_name, self.threshold, self.raw, self.smooth
        )

    @property
    def mask_settings(self) -> MaskSettings:
        """The settings that determine the masks."""
        return MaskSettings(
            self.checkpoint.sha256, self.precision, self.threshold, self.raw, self.smooth,
            MaskSettings.calibrated_on(self.calibration), self.class_name, self.checkpoint.stated,
        )  # fmt: skip

    def __repr__(self) -> str:
        about = self.engine.describe()
        settings = ", ".join(f"{name} {about[name]}" for name in ("backend", "device", "precision"))
        height, width = self.checkpoint.spec.image_size
        return f"Segmenter({settings}, input ({height}, {width}), threshold {self.threshold:g})"

    def __call__(
        self, image: ImageInput | str | PathLike[str], *, color: ColorOrder = "rgb"
    ) -> Segmentation:
        """Segment one image.

        `image` is an array or tensor, a `PIL.Image`, an `av.VideoFrame`, a `Frame`, or the path of
        an image. Arrays and tensors are (H, W, 3), (3, H, W) or (H, W), uint8 or floats from 0
        to 1, on any device; a fourth channel (alpha) is ignored. `color` is the order of their
        channels: give bgr for images from OpenCV. The pixels of a `PIL.Image` are taken as they
        are; a path is read upright.
        Raises UsageError if it is not an image, and SourceError if the path cannot be read.
        """
        stages = self.stages
        (prediction,) = stages.predict([stages.prepare(image_frame(image, color=color))])
        return stages.finish(prediction)

    def predict(
        self,
        images: Iterable[ImageInput | str | PathLike[str]] | ImageInput | str | PathLike[str],
        *,
        color: ColorOrder = "rgb",
    ) -> list[Segmentation]:
        """Segment a list or batch of images and return the results in order.

        `images` is a list of what a call takes, an (N, H, W, 3) or (N, 3, H, W) array or tensor,
        or a single image. `frame.index` is its place; `frame.time_s` is 0 unless the image has a
        timestamp. Each image is segmented on its own, also with `smooth`. For videos, use
        `stream`, which smooths and needs constant memory.
        Raises the errors of a call.

        Examples:
            >>> [found.present for found in Segmenter().predict([image, image])]
            [True, True]

        """
        if isinstance(images, str | PathLike) or is_image(images):
            return [self(images, color=color)]  # type: ignore[arg-type]
        if not (is_batch(images) or isinstance(images, Iterable)) or isinstance(images, Source):
            raise wrong_type("images", images, "a list or batch of images; stream takes sources")
        request = Request(images, ReadOptions(), color, None, progress=False, timed=False)
        return list(results(replace(self.stages, smooth=False), request))

    def stream(
        self,
        source: StreamInput,
        *,
        start_s: float | str | None = None,
        end_s: float | str | None = None,
        every: int = 1,
        color: ColorOrder = "rgb",
        on_warning: Callable[[str], None] | None = None,
        progress: bool = False,
    ) -> Iterator[Segmentation]:
        """Yield the segmentation of every frame, in order, in constant memory.

        `source` is a video, an image, a folder of images, an address, a camera number, - for
        standard input, an open source or `cv2.VideoCapture`, or any iterable of images (see
        `__call__`), which are numbered at 25 per second unless they have times. `start_s`,
        `end_s` (seconds, or "1:30") and `every` select frames. Cameras and live addresses never
        fall behind: what arrives while the network is busy is dropped, and `frame.index` counts
        it. `color` is the order of channels of arrays and tensors; captures are always bgr.
        `on_warning` is called with a sentence for whatever was damaged, skipped or changed; None
        raises Python warnings of class CorneaStreamWarning. `progress` shows a progress bar, also
        in notebooks.
        Raises SourceError if the source cannot be read, and UsageError for invalid arguments.
        """
        reading = ReadOptions(
            optional_seconds("start_s", start_s), optional_seconds("end_s", end_s), every
        )
        return results(self.stages, Request(source, reading, color, on_warning, progress))


def _loaded(checkpoint: str | Path | Checkpoint | None, stated: dict[str, Any]) -> Checkpoint:
    if not isinstance(checkpoint, Checkpoint):
        return load_checkpoint(checkpoint, **stated)
    if given := [name for name, value in stated.items() if value is not None]:
        raise UsageError(f"{given[0]} is for files: these weights are loaded: leave it out")
    return checkpoint


def check_settings(
    device: str,
    backend: str,
    precision: str,
    batch_size: int | None,
    calibration: str | Path | None,
    threshold: float,
) -> None:
    """Check what a `Segmenter` takes, without loading a network.

    Raises UsageError for settings that are invalid or that this machine does not support, and
    SourceError if there is no such calibration source.
    """
    if calibration is not None and precision != "int8":
        raise UsageError("calibration is for int8 only: use precision=int8")
    if calibration is not None:
        check_path("calibration", calibration, "a video or folder of images")
    if calibration is not None and not Path(calibration).exists():
        raise SourceError(f"calibration source not found: {calibration}: check the path")
    check_number("threshold", threshold, 0, 1, example=0.5, exclusive=True)
    if batch_size is not None:
        check_number("batch_size", batch_size, 1, MAX_BATCH, example=8)
    choose_engine(device, backend, precision)
