"""Live pipelines: the newest frame first, exact counts, times that grow."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from conftest import BrightnessEngine
from hypothesis import given
from hypothesis import strategies as st
from test_pipeline import ListSink, frames
from waiting import PATIENCE_S

from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.frame import Frame
from cornea_stream.pipeline.live_statistics import LiveTally, Percentiles
from cornea_stream.pipeline.pipeline import run_pipeline
from cornea_stream.pipeline.queues import Mailbox
from cornea_stream.sources.timestamps import TIME_BASE, LiveClock


@given(st.lists(st.tuples(st.one_of(st.none(), st.floats(-1e4, 1e4)), st.floats(0, 100))))
def test_times_always_grow(arrivals: list[tuple[float | None, float]]) -> None:
    clock, now_s, times = LiveClock(), 0.0, []
    for source_s, pause_s in arrivals:
        now_s += pause_s
        times.append(clock.tick(source_s, now_s))
    assert all(a < b for a, b in pairwise(times))
    assert times[:1] in ([], [0])


def test_distances_are_the_sources_and_jumps_the_clocks() -> None:
    clock = LiveClock()

    def seconds(source_s: float | None, now_s: float) -> float:
        return round(float(clock.tick(source_s, now_s) * TIME_BASE), 3)

    # Even in the source, uneven in arrival.
    arrivals = ((500.0, 7.0), (500.04, 7.3), (500.08, 7.3), (500.12, 7.31))
    assert [seconds(*arrival) for arrival in arrivals] == [0.0, 0.04, 0.08, 0.12]
    assert seconds(3.0, 8.0) == 1.0  # the source's times went back: the clock's
    assert seconds(3.04, 8.0) == 1.04
    assert seconds(99.0, 8.1) == 1.1  # and ahead
    assert clock.jumps == 2
    clock.interrupt()
    assert seconds(0.0, 12.0) == 5.0  # after a break it may count as it likes
    assert clock.jumps == 2
    assert seconds(None, 12.5) == 5.5


@given(st.lists(st.floats(0.2, 1e5), min_size=1, max_size=200))
def test_percentiles_are_right_to_a_percent(values: list[float]) -> None:
    found = Percentiles()
    for value in values:
        found.add(value)
    for share in (0.5, 0.95):
        exact = np.quantile(values, share, method="inverted_cdf")
        assert found.at(share) == pytest.approx(exact, rel=0.0102)


def test_percentiles_of_nothing_and_of_what_is_out_of_range() -> None:
    found = Percentiles()
    assert found.at(0.5) == 0
    found.add(0.0)
    found.add(1e9)
    assert found.at(0.1) < 0.11
    assert found.at(1.0) > 9e5


def test_a_mailbox_keeps_the_newest_and_counts_the_rest() -> None:
    dropped: list[int] = []
    box: Mailbox[int] = Mailbox(dropped.append)
    for item in range(5):
        assert box.put(item)
    assert next(box) == 4
    assert dropped == [0, 1, 2, 3]
    box.put(5)
    box.close()
    assert not box.put(6)
    assert list(box) == [5]
    assert dropped == [0, 1, 2, 3]


class GatedEngine(BrightnessEngine):
    """Answers only after the gate was opened."""

    batch_size = 1

    def __init__(self) -> None:
        self.gate = threading.Event()

    def submit(self, images: Any) -> Any:
        answer, gate = super().submit(images), self.gate

        class Answer:
            def result(self) -> Any:
                gate.wait(PATIENCE_S)
                return answer.result()

        return Answer()


def test_while_inference_is_busy_only_the_newest_frame_waits(segmenter: Segmenter) -> None:
    engine = segmenter.engine = GatedEngine()

    def source() -> Iterator[Frame]:
        yield from frames(100)
        engine.gate.set()

    sink, tally = ListSink(), LiveTally()
    done = run_pipeline(source(), segmenter.stages, [sink], live=tally)
    shown = [item.frame.index for item in sink.items]
    assert shown[-1] == 99
    assert shown == sorted(set(shown))
    assert len(shown) == done <= 1 + engine.in_flight
    report = tally.report()
    assert (report.received, report.shown, report.dropped) == (100, done, 100 - done)


def test_a_mask_does_not_wait_for_the_frames_after_it(segmenter: Segmenter) -> None:
    came = threading.Semaphore(0)

    def source() -> Iterator[Frame]:
        for frame in frames(6):
            yield frame
            assert came.acquire(timeout=PATIENCE_S), "the mask waits for the next frame"

    done = run_pipeline(
        source(), segmenter.stages, [ListSink()], live=LiveTally(),
        on_progress=lambda _: came.release(),
    )  # fmt: skip
    assert done == 6


def test_a_stop_loses_no_count(segmenter: Segmenter) -> None:
    stop, tally, sink = threading.Event(), LiveTally(), ListSink()
    given = 0

    def source() -> Iterator[Frame]:
        nonlocal given
        for frame in frames(10**9):
            given += 1
            yield frame

    run_pipeline(
        source(), segmenter.stages, [sink], stop=stop, live=tally,
        on_progress=lambda p: stop.set() if p.frames == 20 else None,
    )  # fmt: skip
    report = tally.report()
    assert report.shown == len(sink.items) >= 20
    assert given == report.received == report.shown + report.dropped
