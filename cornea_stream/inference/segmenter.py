"""The segmenter: frames in, cornea masks out."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np

from cornea_stream.engines import Engine, Pending, build_engine
from cornea_stream.errors import UsageError, check_number, wrong_type
from cornea_stream.inference.calibration_frames import calibration_images
from cornea_stream.media.address import Address
from cornea_stream.media.class_name import CLASS_NAME
from cornea_stream.media.frame import Frame, Image, Logits, Segmentation
from cornea_stream.models.checkpoint import Checkpoint, load_checkpoint
from cornea_stream.pipeline.queues import Ahead, Feed
from cornea_stream.postprocess.mask import cornea_mask, raw_mask, upsample_logits
from cornea_stream.postprocess.smoothing import smoothed
from cornea_stream.sources import open_source

PICTURES = "(H, W, 3) uint8 RGB arrays, av.VideoFrame or Frame"
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


@dataclass(frozen=True, slots=True)
class Prepared:
    """A frame with the input of the engine."""

    frame: Frame
    model_input: Any


@dataclass(frozen=True, slots=True)
class Prediction:
    """A frame with the logits of the network, before the final upsampling."""

    frame: Frame
    logits: Logits


class Segmenter:
    """Segments the cornea in frames: `for result in Segmenter().stream("video.mp4")`.

    It holds one loaded network. `stream` chains the three stages `prepare`, `predict` and
    `finish`; the pipeline runs them in separate threads.
    """

    def __init__(
        self,
        checkpoint: str | Path | Checkpoint | None = None,
        *,
        device: str = "auto",
        backend: str = "auto",
        precision: str = "auto",
        batch_size: int | None = None,
        calibration: str | Path | None = None,
        threshold: float = 0.5,
        raw: bool = False,
        smooth: bool = False,
        input_size: int | str | tuple[int, int] | None = None,
        input_normalization: str | None = None,
        class_index: int | None = None,
    ) -> None:
        """Load the network onto a device.

        `checkpoint` is a file, loaded weights, or None for the default weights; `input_size`,
        `input_normalization` and `class_index` state what a file does not (see `load_checkpoint`).
        `device` is auto,
        cpu, cuda, cuda:N, or several GPUs separated by commas. `backend` is auto (OpenVINO on a
        CPU if it is installed, else torch), torch or openvino. `precision` is auto (the fastest
        native one), fp32, bf16, fp16, or int8 with OpenVINO. `batch_size` depends on the device
        if None. `calibration` is a video or folder of images to calibrate int8 on; None generates
        frames. `threshold` is the probability above which a pixel is cornea. `raw` returns the
        thresholded mask without cleanup. `smooth` averages the logits of each frame with those of
        the two frames before and after it.
        Raises CheckpointError for unusable weights, UsageError for invalid settings, and
        SourceError for an unreadable calibration video.
        """
        if calibration is not None and precision != "int8":
            raise UsageError("calibration is for int8 only: use precision=int8")
        if not isinstance(device, str):
            raise wrong_type("device", device, "auto, cpu, cuda or cuda:N")
        check_number("threshold", threshold, 0, 1, example=0.5, exclusive=True)
        if batch_size is not None:
            check_number("batch_size", batch_size, 1, MAX_BATCH, example=8)
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
    def mask_settings(self) -> MaskSettings:
        """The settings that determine the masks."""
        return MaskSettings(
            self.checkpoint.sha256, self.precision, self.threshold, self.raw, self.smooth,
            MaskSettings.calibrated_on(self.calibration), self.class_name, self.checkpoint.stated,
        )  # fmt: skip

    def __call__(self, image: Image | av.VideoFrame | Frame) -> Segmentation:
        """Segment one image: (H, W, 3) uint8 RGB, an `av.VideoFrame` or a `Frame`."""
        return next(self.stream([image]))

    def stream(
        self,
        source: str | Path | Address | Iterable[Image | av.VideoFrame | Frame],
        *,
        start_s: float | None = None,
        end_s: float | None = None,
        every: int = 1,
    ) -> Iterator[Segmentation]:
        """Yield the segmentation of every frame, in order, in constant memory.

        `source` is the path of a video, image or folder of images, or an address; `start_s`,
        `end_s` and `every` select its frames. It can also be any iterable of images; images
        without a timestamp are numbered at 25 per second. Raises SourceError if the path cannot
        be read, and UsageError for any other type.
        """
        if not isinstance(source, str | Path | Address | Iterable):
            raise wrong_type("source", source, f"a path, an address, or an iterable of {PICTURES}")
        if isinstance(source, str | Path | Address):
            with open_source(source, start_s=start_s, end_s=end_s, every=every) as opened:
                yield from map(self.finish, self.predict(map(self.prepare, opened)))
        else:
            frames = (as_frame(i, picture, i / 25) for i, picture in enumerate(source))
            yield from map(self.finish, self.predict(map(self.prepare, frames)))

    def prepare(self, frame: Frame) -> Prepared:
        """Return the model input of a frame."""
        return Prepared(frame, self.engine.prepare(frame))

    def predict(self, inputs: Iterable[Prepared]) -> Iterator[Prediction]:
        """Run the network over `inputs` in batches, several in flight; yield in order."""
        return self._smoothed(self._predict(inputs))

    def predict_promptly(self, frames: Feed[Frame]) -> Iterator[Prediction]:
        """Prepare `frames` and run the network with the lowest latency.

        A frame is taken only when the engine has room, is submitted on its own, and is yielded in
        order as soon as its result is ready; `predict` waits for later frames. `frames` is
        canceled at the end.
        """
        return self._smoothed(self._predict_promptly(frames))

    def _smoothed(self, predictions: Iterator[Prediction]) -> Iterator[Prediction]:
        if self.smooth:
            return smoothed(predictions, lambda p: p.logits, lambda p, x: Prediction(p.frame, x))
        return predictions

    def _predict_promptly(self, frames: Feed[Frame]) -> Iterator[Prediction]:
        # The engine computes on one less than its capacity; another frame would only wait there.
        room = threading.Semaphore(max(1, self.engine.in_flight - 1))
        iterator = iter(frames)

        def submitted() -> Iterator[tuple[Prepared, Pending]]:
            while room.acquire() and (frame := next(iterator, None)):
                item = self.prepare(frame)
                yield item, self.engine.submit([item.model_input])

        ahead = Ahead(submitted(), "submit", self.engine.in_flight)
        try:
            for item, pending in ahead:
                (prediction,) = _collect([item], pending)
                room.release()
                yield prediction
        finally:  # the thread may be waiting for a frame or for room
            frames.cancel()
            ahead.cancel()
            room.release()
            ahead.join()

    def _predict(self, inputs: Iterable[Prepared]) -> Iterator[Prediction]:
        pending: deque[tuple[list[Prepared], Pending]] = deque()
        iterator = iter(inputs)
        # The engine can lower its batch size during a run, so read it each time.
        while batch := list(islice(iterator, self.engine.batch_size)):
            if len(pending) == self.engine.in_flight:
                yield from _collect(*pending.popleft())
            pending.append((batch, self.engine.submit([item.model_input for item in batch])))
        while pending:
            yield from _collect(*pending.popleft())

    def finish(self, prediction: Prediction) -> Segmentation:
        """Return the mask of a prediction, at the size of its upright frame."""
        frame = prediction.frame
        logits = upsample_logits(prediction.logits, self.checkpoint.spec.image_size)
        make = raw_mask if self.raw else cornea_mask
        mask, confidence = make(logits, frame.size, self.threshold)
        return Segmentation(frame, mask, confidence, self.class_name)


def _loaded(checkpoint: str | Path | Checkpoint | None, stated: dict[str, Any]) -> Checkpoint:
    if not isinstance(checkpoint, Checkpoint):
        return load_checkpoint(checkpoint, **stated)
    if given := [name for name, value in stated.items() if value is not None]:
        raise UsageError(f"{given[0]} is for files: these weights are loaded: leave it out")
    return checkpoint


def _collect(batch: list[Prepared], pending: Pending) -> Iterator[Prediction]:
    for item, logits in zip(batch, pending.result(), strict=True):
        yield Prediction(item.frame, logits)


def as_frame(
    index: int,
    picture: Image | av.VideoFrame | Frame,
    time_s: float,
    received_s: float | None = None,
) -> Frame:
    """Return an image as a frame, with `time_s` if it has no timestamp.

    Raises UsageError if it is not an image.
    """
    if isinstance(picture, Frame):
        return picture
    if not isinstance(picture, np.ndarray | av.VideoFrame):
        raise wrong_type("picture", picture, PICTURES)
    if isinstance(picture, np.ndarray):
        if (
            picture.ndim != 3
            or picture.shape[2] != 3
            or picture.dtype != np.uint8
            or picture.size == 0
        ):
            raise UsageError(
                f"not an image: {picture.shape} {picture.dtype}: give (H, W, 3) uint8 RGB"
            )
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    return Frame(index, time_s if picture.time is None else picture.time, picture, received_s)
