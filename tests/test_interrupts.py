"""Ctrl-C and errors reach a pipeline that waits, wherever it waits and whenever they come."""

from __future__ import annotations

import _thread
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from conftest import moving_discs
from waiting import PATIENCE_S, wait_until

from cornea_stream.inference.image_input import image_frame
from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.frame import Frame
from cornea_stream.pipeline.linked_event import LinkedEvent
from cornea_stream.pipeline.pipeline import run_pipeline
from cornea_stream.pipeline.queues import Channel
from cornea_stream.pipeline.worker import Worker


def full() -> Channel[int]:
    channel: Channel[int] = Channel(1)
    channel.put(1)
    return channel


def waits(end: Callable[[], None]) -> threading.Timer:
    """End a wait that nothing else has ended; the test fails then."""
    timer = threading.Timer(PATIENCE_S, end)
    timer.daemon = True
    timer.start()
    return timer


@pytest.mark.parametrize("wait", ["put", "next", "join"])
def test_a_signal_that_does_not_wake_the_thread_is_handled(wait: str) -> None:
    """So it is if the signal arrives just before the wait; here another thread sets the flag."""
    channel = full() if wait == "put" else Channel[int](1)
    ended = threading.Event()
    worker = Worker(ended.wait, "worker")
    worker.start()
    work = {"put": lambda: channel.put(2), "next": lambda: next(channel), "join": worker.join}
    timer = waits(lambda: (channel.cancel(), ended.set()))  # type: ignore[arg-type, return-value]
    try:
        threading.Timer(0.3, _thread.interrupt_main).start()
        with pytest.raises(KeyboardInterrupt):
            work[wait]()
        assert timer.is_alive()  # which would have ended the wait, and let Ctrl-C through
    finally:
        timer.cancel()
        ended.set()
        worker.join()


class Sink:
    """Fails, or blocks until it is hurried, in the method `where`."""

    name = "sink"

    def __init__(self, where: str, *, fails: bool = False) -> None:
        self.where, self.fails = where, fails
        self.blocked, self.hurried = threading.Event(), threading.Event()
        self.aborted = self.closed = False

    def write(self, item: Segmentation) -> None:
        self._come_to("write")

    def close(self) -> None:
        self._come_to("close")
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def hurry(self) -> None:
        self.hurried.set()

    def _come_to(self, place: str) -> None:
        if place == self.where:
            self.blocked.set()
            if self.hurried.wait(1 if self.fails else PATIENCE_S):  # all frames come meanwhile
                return
            raise OSError(place)


def pictures(count: int) -> Iterator[Frame]:
    return (image_frame(picture, index) for index, picture in enumerate(moving_discs(count)))


@pytest.mark.parametrize("where", ["write", "close"])
def test_an_output_that_blocks_is_given_up(segmenter: Segmenter, where: str) -> None:
    sink = Sink(where)

    def interrupt() -> None:
        wait_until(sink.blocked.is_set, where)
        _thread.interrupt_main()

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run_pipeline(pictures(3), segmenter.stages, [sink])
    thread.join()
    assert sink.hurried.is_set()
    assert sink.aborted


def test_a_failed_output_ends_a_source_that_waits(segmenter: Segmenter) -> None:
    """As a full disk does while a camera is away; the event of other runs is not set."""
    everybody = threading.Event()
    stop = LinkedEvent(everybody)
    other = Sink("nowhere")

    def camera() -> Iterator[Frame]:
        yield from pictures(12)  # more than the engine holds back
        stop.wait(10 * PATIENCE_S)

    began = time.monotonic()
    with pytest.raises(OSError, match="write"):
        run_pipeline(camera(), segmenter.stages, [other, Sink("write", fails=True)], stop=stop)
    assert time.monotonic() - began < PATIENCE_S
    assert not everybody.is_set()
    assert other.aborted
    assert not other.closed


def test_an_event_is_set_by_the_other_too() -> None:
    other = threading.Event()
    one, two = LinkedEvent(other), LinkedEvent(other)
    one.set()
    assert (one.is_set(), two.is_set(), other.is_set()) == (True, False, False)
    assert not two.wait(0.05)
    threading.Timer(0.1, other.set).start()
    assert two.wait()
    assert LinkedEvent(None).wait(0.01) is False
