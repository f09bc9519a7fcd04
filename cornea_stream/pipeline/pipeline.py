"""The picture in code: source -> decode -> preprocess -> infer -> mask -> sinks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from cornea_stream.inference.segmenter import Prediction, Segmenter
from cornea_stream.media.frame import Frame, Segmentation
from cornea_stream.pipeline.live_statistics import LiveReport, LiveTally
from cornea_stream.pipeline.queues import Ahead, Behind, Mailbox, Sink

QUEUE_DEPTH = 8
"""Frames that may wait between two stages: enough to ride out jitter, and memory stays constant."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pipeline has come: frames done, the last one's time, how full each queue is.

    A full queue stands before the slowest stage. `live` tells what was dropped and how late the
    masks are; None in a run that drops nothing.
    """

    frames: int
    time_s: float
    queues: Mapping[str, tuple[int, int]]
    live: LiveReport | None = None


def run_pipeline(
    source: Iterable[Frame],
    segmenter: Segmenter,
    sinks: Sequence[tuple[str, Sink[Segmentation]]],
    *,
    stop: threading.Event | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    depth: int = QUEUE_DEPTH,
    live: LiveTally | None = None,
) -> int:
    """Segment every frame of `source` into all named `sinks`; return how many frames were done.

    Every stage runs in a thread of its own. Setting `stop` ends reading: the frames in flight are
    finished and the sinks closed in order. An exception anywhere stops all threads, aborts the
    sinks and is raised here, once, as itself. No thread outlives the call.
    With `live` only the newest frame is kept wherever inference is slower than `source`, and the
    tally counts what came, what was dropped, and how late the masks are.
    """
    wanted = _until(stop or threading.Event(), source)
    if live:
        predictions, stages = _live_stages(wanted, segmenter, live)
    else:
        predictions, stages = _stages(wanted, segmenter, depth)
    writers = [Behind(sink, name, depth) for name, sink in sinks]
    channels = {s.name: s.channel for s in stages} | {w.name: w.channel for w in writers}
    done = 0
    try:
        for segmentation in map(segmenter.finish, predictions):
            if live:
                live.show(segmentation.frame)
            for writer in writers:
                writer.put(segmentation)
            done += 1
            if on_progress:
                queues = {name: (len(c), c.depth) for name, c in channels.items()}
                report = live.report() if live else None
                on_progress(Progress(done, segmentation.frame.time_s, queues, report))
        for writer in writers:
            writer.finish()
    except BaseException:
        for writer in writers:
            writer.cancel()
        raise
    finally:
        for stage in stages:
            stage.cancel()
        for stage in stages:
            stage.join()
    return done


_Stages: TypeAlias = tuple[Ahead[Prediction], tuple[Ahead[Any], ...]]


def _stages(source: Iterable[Frame], segmenter: Segmenter, depth: int) -> _Stages:
    """Return the stage that gives predictions, and all stages: every frame goes through."""
    frames = Ahead(source, "decode", depth)
    prepared = Ahead(map(segmenter.prepare, frames), "preprocess", depth)
    predictions = Ahead(segmenter.predict(prepared), "infer", depth)
    return predictions, (frames, prepared, predictions)


def _live_stages(source: Iterable[Frame], segmenter: Segmenter, live: LiveTally) -> _Stages:
    """Return the same with nowhere to queue: what waits before inference is the newest frame."""
    frames = Ahead(map(live.receive, source), "decode", Mailbox(live.drop))
    predictions = Ahead(segmenter.predict_promptly(frames), "infer", 1)
    return predictions, (frames, predictions)


def _until(stop: threading.Event, source: Iterable[Frame]) -> Iterator[Frame]:
    """Yield from `source` until `stop` is set; no frame is taken and then lost."""
    frames = iter(source)
    while not stop.is_set() and (frame := next(frames, None)):
        yield frame
