"""Frames pushed one by one, each answered by a future: for overlays on a running microscope."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field

import av

from cornea_stream.errors import FrameDroppedError, UsageError, check_number, wrong_type
from cornea_stream.inference.segmenter import Segmenter, as_frame
from cornea_stream.media.closing import Closing
from cornea_stream.media.frame import Frame, Image, Segmentation
from cornea_stream.pipeline.queues import Channel, Mailbox

DEPTH = 2
"""Frames that may wait for the engine before `submit` waits too."""


@dataclass(frozen=True, slots=True)
class _Request:
    frame: Frame
    future: Future[Segmentation] = field(default_factory=Future)


class Session(Closing):
    """Segments frames as they are pushed: `session.submit(rgb).result().mask`.

    Masks are made in threads of the session, in the order of submission, each as soon as can be.
    `submit` may be called from any thread, but not from a future's callbacks: those run in a thread
    of the session. A segmenter serves one session at a time, and streams beside it.
    """

    def __init__(
        self, segmenter: Segmenter, *, newest_only: bool = False, depth: int = DEPTH
    ) -> None:
        """Start the session's threads.

        With `newest_only` a frame that waits for the engine is dropped when a newer one comes: its
        future raises FrameDroppedError, and `submit` never waits. Otherwise `submit` waits while
        `depth` frames do, and none is dropped.
        Raises UsageError while another session uses the segmenter, and for one with `smooth`, whose
        masks depend on frames still to come.
        """
        if not isinstance(segmenter, Segmenter):
            raise wrong_type("segmenter", segmenter, "a Segmenter")
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
            raise UsageError("a segmenter serves one session at a time: make another Segmenter")
        self._thread = threading.Thread(target=self._run, name="session", daemon=True)
        self._thread.start()

    def submit(self, picture: Image | av.VideoFrame | Frame) -> Future[Segmentation]:
        """Push a picture: (H, W, 3) uint8 RGB, an `av.VideoFrame` or a `Frame`.

        An array may be written to again as soon as this returns. Pictures are numbered in the order
        in which they are pushed; those without a time get the seconds since the session began. The
        future raises what the engine raises; canceling it works until the engine takes the frame.
        Raises UsageError for what is no picture, and after `close`; after a failure of the engine,
        that.
        """
        with self._order:  # numbers and places in the queue are given in the same order
            now_s = time.perf_counter()
            request = _Request(as_frame(self._count, picture, now_s - self._began_s, now_s))
            if not self._requests.put(request):
                raise self._error or UsageError("the session is closed: start another")
            self._count += 1
        return request.future

    def close(self) -> None:
        """Answer what was submitted, and end the session's threads; safe to call twice."""
        self._requests.close()
        self._thread.join()

    def _run(self) -> None:
        try:
            for prediction in self._segmenter.predict_promptly(_Taken(self._requests, self._taken)):
                found = self._segmenter.finish(prediction)
                self._taken.popleft().set_result(found)
        except BaseException as error:  # told to everyone who waits, and by the next submit
            self._error = error
            self._requests.close()
            waiting = [r.future for r in self._requests if r.future.set_running_or_notify_cancel()]
            for future in (*self._taken, *waiting):
                future.set_exception(error)
        finally:
            self._segmenter.in_session.release()


@dataclass(frozen=True, slots=True)
class _Taken:
    """The frames of the requests that come, whose futures are noted as they are taken."""

    requests: Channel[_Request]
    taken: deque[Future[Segmentation]]

    def __iter__(self) -> Iterator[Frame]:
        for request in self.requests:
            if request.future.set_running_or_notify_cancel():
                self.taken.append(request.future)
                yield request.frame

    def cancel(self) -> None:
        """Let no more requests come; those that wait stay."""
        self.requests.close()


def _drop(request: _Request) -> None:
    if request.future.set_running_or_notify_cancel():
        request.future.set_exception(FrameDroppedError("a newer frame took this one's place"))
