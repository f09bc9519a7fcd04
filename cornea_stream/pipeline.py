"""The picture in code: source -> decode -> preprocess -> infer -> mask -> sinks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from cornea_stream.frames import Frame, Segmentation
from cornea_stream.segmenter import Segmenter
from cornea_stream.stages import Ahead, Behind, Sink

QUEUE_DEPTH = 8
"""Frames that may wait between two stages: enough to ride out jitter, and memory stays constant."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pipeline has come: frames done, the last one's time, how full each queue is.

    A full queue stands before the slowest stage.
    """

    frames: int
    time_s: float
    queues: Mapping[str, tuple[int, int]]


def run_pipeline(
    source: Iterable[Frame],
    segmenter: Segmenter,
    sinks: Sequence[tuple[str, Sink[Segmentation]]],
    *,
    stop: threading.Event | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    depth: int = QUEUE_DEPTH,
) -> int:
    """Segment every frame of `source` into all named `sinks`; return how many frames were done.

    Every stage runs in a thread of its own. Setting `stop` ends reading: the frames in flight are
    finished and the sinks closed in order. An exception anywhere stops all threads, aborts the
    sinks and is raised here, once, as itself. No thread outlives the call.
    """
    stopped = stop or threading.Event()
    frames = Ahead(takewhile(lambda _: not stopped.is_set(), source), "decode", depth)
    prepared = Ahead(map(segmenter.prepare, frames), "preprocess", depth)
    predictions = Ahead(segmenter.predict(prepared), "infer", depth)
    stages: tuple[Ahead[Any], ...] = (frames, prepared, predictions)
    writers = [Behind(sink, name, depth) for name, sink in sinks]
    channels = {s.name: s.channel for s in stages} | {w.name: w.channel for w in writers}
    done = 0
    try:
        for segmentation in map(segmenter.finish, predictions):
            for writer in writers:
                writer.put(segmentation)
            done += 1
            if on_progress:
                queues = {name: (len(channel), depth) for name, channel in channels.items()}
                on_progress(Progress(done, segmentation.frame.time_s, queues))
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
