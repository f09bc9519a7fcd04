"""The stages between decoding and the outputs: model input, network, mask."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from cornea_stream.engines import Engine, Pending
from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.media.class_name import CLASS_NAME
from cornea_stream.media.frame import Frame, Image, Logits
from cornea_stream.pipeline.queues import Ahead, Feed
from cornea_stream.postprocess.mask import cornea_mask, raw_mask, upsample_logits
from cornea_stream.postprocess.smoothing import smoothed


@dataclass(frozen=True, slots=True)
class Prepared:
    """A frame with the input of the engine."""

    frame: Frame
    model_input: Any


@dataclass(frozen=True, slots=True)
class Prediction:
    """A frame with its engine input and the logits of the network, before the final upsampling."""

    frame: Frame
    model_input: Any
    logits: Logits


@dataclass(frozen=True, slots=True)
class SegmenterStages:
    """The three stages of a segmenter; the pipeline runs each in a thread of its own.

    `input_size` is (height, width) of the network's input. See `Segmenter` for the others.
    """

    engine: Engine[Any]
    input_size: tuple[int, int]
    class_name: str
    threshold: float
    raw: bool
    smooth: bool

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

    def finish(self, prediction: Prediction) -> Segmentation:
        """Return the mask of a prediction, at the size of its upright frame."""
        frame = prediction.frame
        logits = upsample_logits(prediction.logits, self.input_size)
        if self.raw:
            mask, confidence = raw_mask(logits, frame.size, self.threshold)
        else:
            image = self._image(prediction)
            mask, confidence = cornea_mask(logits, frame.size, self.threshold, image)
        return Segmentation(
            frame, mask, confidence, self.class_name, prediction.logits, self.input_size
        )

    def _image(self, prediction: Prediction) -> Image | None:
        """Return the image that shows the limbus, None for weights of other structures."""
        if self.class_name != CLASS_NAME:
            return None
        return self.engine.image(prediction.model_input)

    def _smoothed(self, predictions: Iterator[Prediction]) -> Iterator[Prediction]:
        if self.smooth:
            return smoothed(predictions, lambda p: p.logits, lambda p, x: replace(p, logits=x))
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


def _collect(batch: list[Prepared], pending: Pending) -> Iterator[Prediction]:
    for item, logits in zip(batch, pending.result(), strict=True):
        yield Prediction(item.frame, item.model_input, logits)
