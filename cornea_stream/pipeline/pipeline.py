"""The pipeline: source -> decode -> preprocess -> infer -> mask -> sinks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from cornea_stream.media.frame import Frame
from cornea_stream.pipeline.live_statistics import LiveReport, LiveTally
from cornea_stream.pipeline.queues import Ahead, Behind, Channel, Feed, Mailbox, Sink

if TYPE_CHECKING:
    from cornea_stream.inference.segmentation import Segmentation

QUEUE_DEPTH = 4
"""Frames that can wait between two stages: enough to absorb jitter; 8 took 60 MiB more at 1080p."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a pipeline: frames done, time of the last one, fill level of each queue.

    The queue in front of the slowest stage is full. `live` has dropped frames and latencies; it
    is None in a run that drops nothing.
    """

    frames: int
    time_s: float
    queues: Mapping[str, tuple[int, int]]
    live: LiveReport | None = None


class Stages(Protocol):
    """The stages between decoding and the sinks, as implemented by `SegmenterStages`."""

    def prepare(self, frame: Frame, /) -> Any:
        """Return the network input of a frame."""
        ...

    def predict(self, inputs: Iterable[Any], /) -> Iterator[Any]:
        """Run the network over the results of `prepare`, in order."""
        ...

    def predict_promptly(self, frames: Feed[Frame], /) -> Iterator[Any]:
        """Prepare frames and run the network, each as soon as there is room."""
        ...

    def finish(self, prediction: Any, /) -> Segmentation:
        """Return the mask of a prediction."""
        ...


def run_pipeline(
    source: Iterable[Frame],
    segmenter: Stages,
    sinks: Sequence[Sink[Segmentation]],
    *,
    stop: threading.Event | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    depth: int = QUEUE_DEPTH,
    live: LiveTally | None = None,
) -> int:
    """Segment every frame of `source`, write to all `sinks`, and return the number of frames.

    Every stage runs in its own thread. Setting `stop` ends reading; frames in flight are finished
    and the sinks closed. An exception in any thread sets `stop`, which ends a source that waits
    with it, stops all threads, aborts the sinks and is raised here. No thread outlives the call.
    With `live`, only the newest frame is kept while inference is busy; `live` counts received and
    dropped frames and measures the latency.
    """
    stop = stop or threading.Event()
    wanted = _until(stop, source)
    stages: list[Ahead[Any]] = []
    writers: list[Behind[Segmentation]] = []
    done = 0

    def give_up() -> None:
        stop.set()
        for stage in stages:
            stage.cancel()

    try:
        if live:
            _start_live(stages, wanted, segmenter, live)
        else:
            _start(stages, wanted, segmenter, depth)
        for sink in sinks:
            writers.append(Behind(sink, depth, give_up))
        channels: dict[str, Channel[Any]] = {stage.name: stage.channel for stage in stages}
        channels |= {writer.name: writer.channel for writer in writers}
        for segmentation in map(segmenter.finish, stages[-1]):
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
            writer.check()
        for writer in writers:
            writer.finish()
    except BaseException:
        give_up()
        for writer in writers:
            writer.cancel()
        for sink in sinks[len(writers) :]:
            sink.abort()
        raise
    finally:
        for stage in stages:
            stage.cancel()
        for stage in stages:
            stage.join()
    return done


def _start(
    stages: list[Ahead[Any]], source: Iterable[Frame], segmenter: Stages, depth: int
) -> None:
    """Add running stages up to the predictions; every frame goes through."""
    stages.append(Ahead(source, "decode", depth))
    stages.append(Ahead(map(segmenter.prepare, stages[-1]), "preprocess", depth))
    stages.append(Ahead(segmenter.predict(stages[-1]), "infer", depth))


def _start_live(
    stages: list[Ahead[Any]], source: Iterable[Frame], segmenter: Stages, live: LiveTally
) -> None:
    """Add the same with nowhere to queue: what waits before inference is the newest frame."""
    stages.append(Ahead(map(live.receive, source), "decode", Mailbox(live.drop)))
    stages.append(Ahead(segmenter.predict_promptly(stages[-1]), "infer", 1))


def _until(stop: threading.Event, source: Iterable[Frame]) -> Iterator[Frame]:
    """Yield from `source` until `stop` is set; every frame taken is yielded."""
    frames = iter(source)
    while not stop.is_set() and (frame := next(frames, None)):
        yield frame
