"""Frames pushed into a session: each future answered, in order, dropped or failed; no hang."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from typing import Any

import av
import numpy as np
import pytest
from conftest import BrightnessEngine, disc, moving_discs
from test_live_pipeline import GatedEngine

from cornea_stream import Segmentation, Segmenter, Session
from cornea_stream.errors import DeviceError, FrameDroppedError, UsageError
from cornea_stream.inference.stages import SegmenterStages
from cornea_stream.pipeline.queues import Ahead
from cornea_stream.postprocess.mask import iou


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


def test_masks_are_those_of_a_stream_in_order(segmenter: Segmenter) -> None:
    pictures = moving_discs(12)
    expected = [found.mask for found in segmenter.stream(pictures)]
    done: list[int] = []
    with Session(segmenter) as session:
        futures = [session.submit(picture) for picture in pictures]
        for future in futures:
            future.add_done_callback(lambda f: done.append(f.result().frame.index))
        found = [future.result(60) for future in futures]
    assert all(np.array_equal(a.mask, b) for a, b in zip(found, expected, strict=True))
    assert done == [f.frame.index for f in found] == list(range(12))
    times = [f.frame.time_s for f in found]
    assert times == sorted(times)


def test_from_several_threads_each_gets_its_own_mask(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[int] = []
    wrong: list[float] = []

    def push(number: int) -> None:
        for i in range(15):
            picture, truth = disc(160, 120, 40 + 10 * number, 40 + 2 * i, 28)
            future = session.submit(picture)
            picture[:] = 0  # the caller's own again
            agreement = iou(future.result(60).mask, truth)
            if agreement < 0.9:
                wrong.append(agreement)

    finish = SegmenterStages.finish

    def noted(stages: SegmenterStages, prediction: Any) -> Segmentation:
        order.append(prediction.frame.index)
        return finish(stages, prediction)

    monkeypatch.setattr(SegmenterStages, "finish", noted)
    with Session(segmenter) as session:
        threads = [threading.Thread(target=push, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert order == list(range(90))


def test_a_mask_comes_without_further_frames(segmenter: Segmenter) -> None:
    with Session(segmenter) as session:
        for picture in moving_discs(3):
            assert session.submit(picture).result(60).present


def test_newest_only_drops_what_waits(segmenter: Segmenter) -> None:
    engine = segmenter.engine = GatedEngine()
    with Session(segmenter, newest_only=True) as session:
        futures = [session.submit(picture) for picture in moving_discs(50)]
        engine.gate.set()
    answered = [i for i, future in enumerate(futures) if future.exception() is None]
    dropped = [f for f in futures if isinstance(f.exception(), FrameDroppedError)]
    assert answered[-1] == 49
    assert len(answered) <= 1 + engine.in_flight
    assert len(dropped) == 50 - len(answered)
    assert [futures[i].result().frame.index for i in answered] == answered


def test_without_it_submit_waits_and_nothing_is_dropped(segmenter: Segmenter) -> None:
    engine = segmenter.engine = GatedEngine()
    futures: list[Future[Segmentation]] = []
    with Session(segmenter, depth=2) as session:
        thread = threading.Thread(
            target=lambda: futures.extend(map(session.submit, moving_discs(30)))
        )
        thread.start()
        time.sleep(0.1)
        assert len(futures) <= engine.in_flight + 2 + 1
        engine.gate.set()
        thread.join()
    assert [future.result().frame.index for future in futures] == list(range(30))


def test_a_future_cancelled_in_time_is_not_computed(segmenter: Segmenter) -> None:
    engine = segmenter.engine = GatedEngine()
    with Session(segmenter, depth=20) as session:
        futures = [session.submit(picture) for picture in moving_discs(10)]
        assert futures[8].cancel()
        engine.gate.set()
    with pytest.raises(CancelledError):
        futures[8].result()
    assert futures[9].result().frame.index == 9


class FailingEngine(BrightnessEngine):
    """Fails from the third frame on, at `submit` or when the result is fetched."""

    in_flight = 3

    def __init__(self, where: str) -> None:
        self.where, self.count = where, 0

    def submit(self, inputs: Any) -> Any:
        self.count += 1
        if self.count < 3:
            return super().submit(inputs)
        if self.where == "submit":
            raise DeviceError("the GPU failed")

        class Answer:
            def result(self) -> Any:
                raise DeviceError("the GPU failed")

        return Answer()


@pytest.mark.parametrize("where", ["submit", "result"])
@pytest.mark.parametrize("count", [3, 10])
def test_a_failure_is_told_to_everyone_who_waits(
    segmenter: Segmenter, where: str, count: int
) -> None:
    """Also where no further frame comes, which the threads would wait for."""
    good, segmenter.engine = segmenter.engine, FailingEngine(where)
    session = Session(segmenter, depth=20)
    futures = []
    try:
        for picture in moving_discs(count):
            futures.append(session.submit(picture))
    except DeviceError:
        pass  # it was quicker
    assert futures[1].result(60).frame.index == 1
    for future in futures[2:]:
        assert isinstance(future.exception(60), DeviceError)
    session.close()
    with pytest.raises(DeviceError):
        session.submit(moving_discs(1)[0])
    segmenter.engine = good
    with Session(segmenter) as again:  # the segmenter is free
        assert again.submit(moving_discs(1)[0]).result(60).present


def test_a_failure_is_told_to_whoever_submits_meanwhile(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = threading.Event()
    join = Ahead.join

    def join_late(ahead: Ahead[object]) -> None:
        join(ahead)
        assert refused.wait(60)  # the session takes no more, and does not know why yet

    monkeypatch.setattr(Ahead, "join", join_late)
    segmenter.engine = FailingEngine("submit")
    session = Session(segmenter)
    put = session._requests.put

    def put_and_tell(request: Any) -> bool:
        taken = put(request)
        if not taken:
            refused.set()
        return taken

    monkeypatch.setattr(session._requests, "put", put_and_tell)

    def push() -> None:
        for picture in moving_discs(1) * 100:
            session.submit(picture)

    with pytest.raises(DeviceError):
        push()
    session.close()


def test_closing_answers_everything_and_twice_is_once(segmenter: Segmenter) -> None:
    with Session(segmenter, depth=20) as session:
        futures = [session.submit(picture) for picture in moving_discs(9)]
    assert [future.result(0).frame.index for future in futures] == list(range(9))
    session.close()
    with pytest.raises(UsageError, match="the session is closed"):
        session.submit(moving_discs(1)[0])


def test_a_smoothing_segmenter_is_refused(segmenter: Segmenter) -> None:
    segmenter.smooth = True  # looks two frames ahead
    with pytest.raises(UsageError, match="waits for no further frames"):
        Session(segmenter)
    segmenter.smooth = False
    Session(segmenter).close()


def test_one_session_at_a_time(segmenter: Segmenter) -> None:
    with Session(segmenter), pytest.raises(UsageError, match="one session at a time"):
        Session(segmenter)
    Session(segmenter).close()


def test_what_is_no_picture_is_refused_alone(segmenter: Segmenter) -> None:
    with Session(segmenter) as session:
        with pytest.raises(UsageError, match="image cannot be"):
            session.submit(np.zeros((4, 4), np.int64))
        video = av.VideoFrame.from_ndarray(moving_discs(1)[0], "rgb24")
        found = session.submit(video).result(60)
    assert found.present
    assert found.frame.index == 0


def test_asyncio_awaits_its_futures(segmenter: Segmenter) -> None:
    async def track() -> list[int]:
        shown = []
        with Session(segmenter, depth=20) as session:
            for picture in moving_discs(5):
                found = await asyncio.wrap_future(session.submit(picture))
                shown.append(found.frame.index)
            waiting = [asyncio.wrap_future(session.submit(p)) for p in moving_discs(5)]
            shown += [found.frame.index for found in await asyncio.gather(*waiting)]
        return shown

    assert asyncio.run(track()) == list(range(10))
