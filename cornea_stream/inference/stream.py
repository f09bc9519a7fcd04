"""Streams of results from anything that gives frames: paths, cameras, captures, iterables."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from numbers import Integral
from os import PathLike
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import cv2

from cornea_stream.errors import (
    CorneaStreamWarning,
    UsageError,
    check_callback,
    check_flag,
    wrong_type,
)
from cornea_stream.inference.image_input import image_frame
from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.inference.stages import Prediction, SegmenterStages
from cornea_stream.media.address import Address, find_address
from cornea_stream.media.frame import Frame
from cornea_stream.media.image_input import ColorOrder, ImageInput, is_bgr, is_image
from cornea_stream.pipeline.progress_bar import progress_bar
from cornea_stream.pipeline.queues import Ahead, Mailbox
from cornea_stream.sources import Source
from cornea_stream.sources.open import open_reading
from cornea_stream.sources.read_options import ReadOptions

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

Images: TypeAlias = "NDArray[Any] | torch.Tensor | Iterable[ImageInput | str | PathLike[str]]"
StreamInput: TypeAlias = (
    "str | PathLike[str] | Address | int | cv2.VideoCapture | Source | IO[bytes] | Images"
)
"""Anything that `Segmenter.stream` takes."""
_SOURCES = "a path, an address, a camera number, a cv2.VideoCapture, or an iterable of images"


@dataclass(frozen=True, slots=True)
class Request:
    """What to read, and how to report on it; see `Segmenter.stream`. Raises UsageError.

    `timed` images of an iterable follow each other in time; others are each at 0.
    """

    source: Any
    reading: ReadOptions
    color: ColorOrder
    on_warning: Callable[[str], None] | None
    progress: bool
    timed: bool = True

    def __post_init__(self) -> None:
        is_bgr(self.color)  # refuses what it does not know
        check_flag("progress", self.progress)
        check_callback("on_warning", self.on_warning, "a sentence")
        if self.is_opened_here:
            return
        if is_image(self.source):
            raise UsageError("source is a single image: call the segmenter with it, or use [image]")
        if hasattr(self.source, "read") or not _iterates(self.source):
            raise wrong_type("source", self.source, _SOURCES)
        selection = {"start_s": self.reading.start_s, "end_s": self.reading.end_s}
        if isinstance(self.source, Source):
            selection["every"] = self.reading.every if self.reading.every > 1 else None
        if given := [name for name, value in selection.items() if value is not None]:
            raise UsageError(
                f"{given[0]} is for sources that are opened here: give it to open_source, or "
                "select the images before"
            )

    @property
    def is_opened_here(self) -> bool:
        """Whether `source` names or holds frames, and is no iterable. Raises UsageError."""
        if isinstance(self.source, cv2.VideoCapture):
            return True
        is_number = isinstance(self.source, Integral) and not isinstance(self.source, bool)
        is_input = any(self.source is file for file in _standard_input())
        if is_number or is_input or isinstance(self.source, str | PathLike | Address):
            find_address(self.source)
            return True
        return False

    @contextmanager
    def frames(self, stop: threading.Event) -> Iterator[Source | Iterator[Frame]]:
        """Give the frames; afterwards report the warnings of the source, and close it.

        A source that the caller opened stays open. `stop` ends waiting for live sources.
        """
        if self.is_opened_here:
            source = open_reading(self.source, self.reading, stop=stop)
        elif isinstance(self.source, Source):
            source = self.source
        else:
            yield self._images()
            return
        try:
            yield source
        finally:
            for sentence in source.warnings:
                self._warn(sentence)
            if source is not self.source:
                source.close()

    @property
    def length(self) -> int | None:
        """The number of images in an iterable, if it is known."""
        return len(self.source) // self.reading.every if hasattr(self.source, "__len__") else None

    def _images(self) -> Iterator[Frame]:
        for index, image in islice(enumerate(self.source), 0, None, self.reading.every):
            yield image_frame(image, index, color=self.color, timed=self.timed)

    def _warn(self, sentence: str) -> None:
        if self.on_warning is not None:
            self.on_warning(sentence)
        else:
            warnings.warn(sentence, CorneaStreamWarning, stacklevel=5)


def results(stages: SegmenterStages, request: Request) -> Iterator[Segmentation]:
    """Yield the result of every frame, with constant memory."""
    stop = threading.Event()
    with (
        request.frames(stop) as frames,
        _predictions(stages, frames, stop) as predictions,
        progress_bar(disable=not request.progress) as bar,
    ):
        bar.total = frames.frame_estimate if isinstance(frames, Source) else request.length
        for found in map(stages.finish, predictions):
            yield found
            bar.update()


@contextmanager
def _predictions(
    stages: SegmenterStages, frames: Source | Iterator[Frame], stop: threading.Event
) -> Iterator[Iterator[Prediction]]:
    """Give the predictions of all frames, or of live frames those that are the newest."""
    if not (isinstance(frames, Source) and frames.is_live):
        yield stages.predict(map(stages.prepare, frames))
        return
    ahead = Ahead(frames, "decode", Mailbox(lambda _: None))
    predictions = stages.predict_promptly(ahead)
    try:
        yield predictions
    finally:
        stop.set()
        ahead.cancel()
        del predictions  # a generator, which joins its thread
        ahead.join()


def _standard_input() -> tuple[Any, ...]:
    return sys.stdin, getattr(sys.stdin, "buffer", sys.stdin)


def _iterates(source: object) -> bool:
    try:
        iter(source)  # type: ignore[call-overload]
    except TypeError:
        return False
    return True
