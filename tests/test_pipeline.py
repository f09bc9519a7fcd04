"""The pipeline's promises: order, bounded memory, one error as itself, no thread left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from fractions import Fraction
from types import SimpleNamespace

import av
import pytest
from conftest import moving_discs

from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.inference.stages import SegmenterStages
from cornea_stream.media.frame import Frame
from cornea_stream.pipeline.pipeline import Progress, run_pipeline


class BoomError(Exception):
    """Raised on purpose."""


class ListSink:
    def __init__(self, fail_at: int | None = None, fail_in: str = "write", name: str = "a") -> None:
        self.name = name
        self.items: list[Segmentation] = []
        self.closed = self.aborted = False
        self.fail_at, self.fail_in = fail_at, fail_in

    def write(self, item: Segmentation) -> None:
        if self.fail_in == "write" and len(self.items) == self.fail_at:
            raise BoomError("write")
        self.items.append(item)

    def close(self) -> None:
        if self.fail_in == "close" and self.fail_at is not None:
            raise BoomError("close")
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def hurry(self) -> None:
        pass


def frames(count: int, fail_at: int | None = None) -> Iterator[Frame]:
    picture = moving_discs(1)[0]
    for index in range(count):
        if index == fail_at:
            raise BoomError("decode")
        video = av.VideoFrame.from_ndarray(picture, "rgb24")
        video.pts, video.time_base = index, Fraction(1, 25)
        yield Frame(index, index / 25, video)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


def test_every_frame_once_in_order_into_every_sink(segmenter: Segmenter) -> None:
    sinks = [ListSink(), ListSink(name="b")]
    seen: list[Progress] = []
    done = run_pipeline(frames(23), segmenter.stages, sinks, on_progress=seen.append)
    assert done == 23
    for sink in sinks:
        assert [s.frame.index for s in sink.items] == list(range(23))
        assert all(s.present for s in sink.items)
        assert sink.closed
        assert not sink.aborted
    assert [p.frames for p in seen] == list(range(1, 24))
    assert set(seen[0].queues) == {"decode", "preprocess", "infer", "a", "b"}


def test_no_frames_at_all(segmenter: Segmenter) -> None:
    sink = ListSink()
    assert run_pipeline(frames(0), segmenter.stages, [sink]) == 0
    assert sink.closed


@pytest.mark.parametrize(
    "stage", ["decode", "prepare", "submit", "result", "finish", "write", "close"]
)
def test_an_error_in_any_stage_surfaces_once_as_itself(
    segmenter: Segmenter, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def fail_later(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 8:
            raise BoomError(stage)
        return original(*arguments)

    if stage in ("prepare", "finish"):
        original = getattr(SegmenterStages, stage)
        monkeypatch.setattr(SegmenterStages, stage, fail_later)
    elif stage == "submit":
        original = segmenter.engine.submit
        monkeypatch.setattr(segmenter.engine, stage, fail_later)
    elif stage == "result":
        original_submit = segmenter.engine.submit

        def original(images: object) -> object:
            return original_submit(images)  # type: ignore[arg-type]

        def submit(images: object) -> object:
            pending = original_submit(images)  # type: ignore[arg-type]

            def result() -> object:
                nonlocal calls
                calls += 1
                if calls == 4:
                    raise BoomError(stage)
                return pending.result()

            return SimpleNamespace(result=result)

        monkeypatch.setattr(segmenter.engine, "submit", submit)
    failing = ListSink(7 if stage in ("write", "close") else None, stage)
    other = ListSink(name="other")
    source = frames(500, fail_at=8 if stage == "decode" else None)
    with pytest.raises(BoomError, match=stage):
        run_pipeline(source, segmenter.stages, [failing, other], depth=2)
    assert failing.aborted
    if stage != "close":
        assert other.aborted
        assert not other.closed


def test_a_stop_finishes_what_is_in_flight(segmenter: Segmenter) -> None:
    stop, sink = threading.Event(), ListSink()
    done = run_pipeline(
        frames(10**6), segmenter.stages, [sink], stop=stop,
        on_progress=lambda p: stop.set() if p.frames == 10 else None,
    )  # fmt: skip
    assert 10 <= done < 100
    assert [s.frame.index for s in sink.items] == list(range(done))
    assert sink.closed


def test_interrupting_the_reader_stops_every_thread(segmenter: Segmenter) -> None:
    sink = ListSink()

    def interrupt(progress: Progress) -> None:
        if progress.frames == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_pipeline(frames(10**6), segmenter.stages, [sink], on_progress=interrupt)
    assert sink.aborted


@pytest.mark.parametrize("depth", [1, 4])
def test_a_slow_sink_holds_the_decoder_back(segmenter: Segmenter, depth: int) -> None:
    read = 0
    worst = 0
    sink = ListSink()
    written = sink.write

    def count() -> Iterator[Frame]:
        nonlocal read
        for frame in frames(120):
            read += 1
            yield frame

    def slow(item: Segmentation) -> None:
        nonlocal worst
        worst = max(worst, read - len(sink.items))
        written(item)

    sink.write = slow  # type: ignore[method-assign]
    run_pipeline(count(), segmenter.stages, [sink], depth=depth)
    in_hand = 5 + segmenter.engine.batch_size * (segmenter.engine.in_flight + 1)
    assert worst <= 4 * depth + in_hand


@pytest.mark.parametrize("failing", ["preprocess", "infer", "b"])
def test_a_thread_that_cannot_start_leaves_none_behind(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == failing:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    sinks = [ListSink(), ListSink(name="b")]
    with pytest.raises(RuntimeError, match="can't start new thread"):
        run_pipeline(frames(10), segmenter.stages, sinks)
    assert all(sink.aborted for sink in sinks)


INTERRUPTED_WRITE = """
import signal, threading, time
from cornea_stream.pipeline.queues import Behind

class SlowSink:
    name, hurried = "slow", threading.Event()

    def write(self, item):
        self.hurried.wait(30)
        time.sleep(0.3)  # so long a write takes to notice
        print("written", flush=True)

    def hurry(self):
        self.hurried.set()

    def abort(self):
        print("aborted", flush=True)

signal.signal(signal.SIGALRM, signal.default_int_handler)
writer = Behind(SlowSink(), 2, lambda: None)
writer.put("an item")
signal.setitimer(signal.ITIMER_REAL, 0.1)
try:
    writer.finish()
except KeyboardInterrupt:
    writer.cancel()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="Windows has no alarm")
def test_ctrl_c_while_an_output_is_written_aborts_it_after_the_write() -> None:
    """The sink's thread may be inside of FFmpeg: nothing may be closed under it."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_WRITE], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout.split()) == (0, ["written", "aborted"]), done.stderr
