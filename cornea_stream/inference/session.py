"""Frames pushed one by one, each with a future: for overlays on a running microscope."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field

from cornea_stream.errors import FrameDroppedError, UsageError, check_flag, check_number, wrong_type
from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.frame import Frame
from cornea_stream.media.image_input import ColorOrder, ImageInput, as_frame
from cornea_stream.pipeline.queues import Channel, Mailbox
from cornea_stream.pipeline.worker import Worker

DEPTH = 2
"""Number of frames that can wait for the engine before `submit` blocks."""


@dataclass(frozen=True, slots=True)
class _Request:
    frame: Frame
    future: Future[Segmentation] = field(default_factory=Future)


class Session:
    """Segments frames as they are pushed: `session.submit(rgb).result().mask`.

    Threads of the session compute the masks in the order of submission, each as soon as possible.
    `submit` can be called from any thread, but not from the callbacks of a future, which run in a
    thread of the session. A segmenter serves one session at a time, and streams besides.
    """

    def __init__(
        self, segmenter: Segmenter, *, newest_only: bool = False, depth: int = DEPTH
    ) -> None:
        """Start the session's threads.

        With `newest_only`, a waiting frame is dropped when a newer one arrives: its future raises
        FrameDroppedError, and `submit` never blocks. Otherwise nothing is dropped, and `submit`
        blocks while `depth` frames are waiting.
        Raises UsageError while another session uses the segmenter, and if the segmenter has
        `smooth`, whose masks depend on frames still to come.
        """
        if not isinstance(segmenter, Segmenter):
            raise wrong_type("segmenter", segmenter, "a Segmenter")
        check_flag("newest_only", newest_only)
        check_number("depth", depth, 1, example=DEPTH)
        if segmenter.smooth:
            raise UsageError(
                "a session waits for no further frames, and smooth needs two: make a Segmenter "
                "without it"
            )
        self._segmenter = segmenter
        self._requests: Channel[_Request] = Mailbox(_drop) if newest_only else Channel(depth)
        self._order = threading.Lock()
        self._count = 0
        self._began_s = time.perf_counter()
        self._taken: deque[Future[Segmentation]] = deque()
        self._error: BaseException | None = None
        if not segmenter.in_session.acquire(blocking=False):
            raise UsageError(
                "a segmenter serves one session at a time: close the other one, or make another "
                "Segmenter"
            )
        self._thread = Worker(self._run, "session")
        self._thread.start()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def submit(self, image: ImageInput, *, color: ColorOrder = "rgb") -> Future[Segmentation]:
        """Push an image of any type that a `Segmenter` takes, but no path.

        `color` is the order of the channels of arrays and tensors. An array can be modified as soon
        as this returns. Images are numbered in the order of submission; those without a timestamp
        get the seconds since the session began. The future raises the error of the engine. It can
        be canceled until the engine takes the frame.
        Raises UsageError if it is not an image or the session is closed; after a failure of the
        engine, raises that error.
        """
        with self._order:  # numbers must follow the order in the queue
            now_s = time.perf_counter()
            frame = as_frame(self._count, image, now_s - self._began_s, now_s, color=color)
            request = _Request(frame)
            if not self._requests.put(request):
                self._thread.join()  # the error that ended it may still be on its way
                raise self._error or UsageError("the session is closed: start another")
            self._count += 1
        return request.future

    def close(self) -> None:
        """Finish all submitted frames and end the threads; safe to call twice."""
        self._requests.close()
        self._thread.join()

    def _run(self) -> None:
        stages = self._segmenter.stages
        try:
            for prediction in stages.predict_promptly(_Taken(self._requests, self._taken)):
                found = stages.finish(prediction)
                self._taken.popleft().set_result(found)
        except BaseException as error:  # raised by all waiting futures and the next submit
            self._error = error
            self._requests.close()
            waiting = [r.future for r in self._requests if r.future.set_running_or_notify_cancel()]
            for future in (*self._taken, *waiting):
                future.set_exception(error)
        finally:
            self._segmenter.in_session.release()


@dataclass(frozen=True, slots=True)
class _Taken:
    """The frames of incoming requests; the future of each taken frame is recorded."""

    requests: Channel[_Request]
    taken: deque[Future[Segmentation]]

    def __iter__(self) -> Iterator[Frame]:
        for request in self.requests:
            if request.future.set_running_or_notify_cancel():
                self.taken.append(request.future)
                yield request.frame

    def cancel(self) -> None:
        """Accept no more requests; waiting ones remain."""
        self.requests.close()


def _drop(request: _Request) -> None:
    if request.future.set_running_or_notify_cancel():
        request.future.set_exception(FrameDroppedError("a newer frame replaced this one"))
