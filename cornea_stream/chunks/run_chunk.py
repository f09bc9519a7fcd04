"""Processes one chunk, with context around it, into the folder of a part."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from cornea_stream.batch.task import Step
from cornea_stream.chunks.chunk_sink import Within
from cornea_stream.chunks.chunk_source import ChunkSource
from cornea_stream.chunks.cuts import Chunk
from cornea_stream.chunks.parts import EMPTY, ROWS, WHOLE, part_name
from cornea_stream.chunks.rows import RowsSink
from cornea_stream.errors import SourceError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.pipeline.linked_event import LinkedEvent
from cornea_stream.pipeline.pipeline import Progress, run_pipeline
from cornea_stream.postprocess.pixel_spacing import choose_scale
from cornea_stream.runs import manifest
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.outputs import Output, OutputContext, open_mask, open_sinks
from cornea_stream.runs.plan import RunPlan
from cornea_stream.runs.result import RunResult
from cornea_stream.runs.run import describe_paths, take_results
from cornea_stream.sinks import SegmentationSink
from cornea_stream.sinks.presence import PresenceSink
from cornea_stream.sources.fingerprint import fingerprint
from cornea_stream.storage import hold_folder, write_run


@dataclass(frozen=True, slots=True, eq=False)
class ChunkTask:
    """One chunk of the video of `plan`, to be processed into a part in `folder`."""

    plan: RunPlan
    chunk: Chunk
    folder: Path

    @property
    def source(self) -> Path:
        """The video."""
        assert isinstance(self.plan.source, Path)
        return self.plan.source

    @property
    def is_watched(self) -> bool:
        """False: watched runs are not cut."""
        return False

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the part as JSON values."""
        plain: dict[str, Any] = json.loads(
            json.dumps({**self.plan.settings, "chunk": asdict(self.chunk)})
        )
        return plain

    def again(self) -> ChunkTask:
        """Return itself: a part is repeated until it is complete."""
        return self

    def run(
        self,
        segmenter: Segmenter,
        *,
        stop: threading.Event,
        on_step: Callable[[Step], None],
    ) -> RunResult:
        """Process the part unless it is already complete or no longer needed.

        Its run.json contains what `Part` needs. A chunk without decodable frames is complete and
        empty. Raises the errors of `run_plan`, and SourceError if the source has changed.
        """
        plan = self.plan
        skipped = RunResult(str(self.source), str(self.folder), "skipped")
        if (self.folder.parent / WHOLE).exists():
            return skipped
        check_unchanged(plan)
        assert plan.fingerprint is not None
        if earlier := manifest.find_complete(self.folder, plan.fingerprint, self.settings):
            return replace(skipped, frames=earlier["evidence"]["taken"])
        with hold_folder(self.folder):
            source = _open(self.source, plan.options, self.chunk)
            if source is None:
                result, content = replace(skipped, status="complete"), {**EMPTY_PART}
            else:
                with source:
                    result, content = self._process(source, segmenter, stop, on_step)
            key = {"fingerprint": plan.fingerprint, "settings": self.settings}
            write_run(self.folder, content | key)
        return result

    def _process(
        self,
        source: ChunkSource,
        segmenter: Segmenter,
        stop: threading.Event,
        on_step: Callable[[Step], None],
    ) -> tuple[RunResult, dict[str, Any]]:
        plan, options = self.plan, self.plan.options
        started, clock = datetime.now(timezone.utc), time.perf_counter()

        def note(progress: Progress) -> None:
            own = min(max(progress.frames - source.context, 0), source.taken)
            on_step(Step(self, None, replace(progress, frames=own)))

        context = OutputContext(
            self.folder, source.info, options, plan.encoder,
            offset_s=float(self.chunk.start * source.info.time_base), audio=False,
        )  # fmt: skip
        outputs = part_outputs(plan.outputs, self.chunk)
        with open_sinks(outputs, context) as sinks:
            sinks = [*sinks, Within(PresenceSink(), self.chunk)]
            run_pipeline(source, segmenter.stages, sinks, stop=LinkedEvent(stop), on_progress=note)
        result = RunResult(
            str(self.source), str(self.folder),
            status="interrupted" if stop.is_set() else "complete",
            frames=source.taken,
            seconds=time.perf_counter() - clock,
            outputs=[part_name(name) for name in plan.files],
            paths=describe_paths(source, segmenter),
        )  # fmt: skip
        take_results(result, sinks)
        content = manifest.describe(
            result, source.info, plan.fingerprint, plan.settings, segmenter, started
        )
        weights = segmenter.checkpoint
        about_weights = {"notes": weights.notes, "doubt": weights.doubt}
        return result, content | {"evidence": source.evidence, "weights": about_weights}


def check_unchanged(plan: RunPlan) -> None:
    """Raise SourceError if the video has changed since it was planned."""
    assert isinstance(plan.source, Path)
    if fingerprint(plan.source) != plan.fingerprint:
        raise SourceError(
            f"the source changed during the run: {plan.source}: run again with resume=True"
        )


EMPTY_PART: dict[str, Any] = {
    "status": "complete", "outputs": [], "warnings": [], "evidence": EMPTY, "frames_found": 0,
}  # fmt: skip
"""run.json of a part without frames."""


def part_outputs(outputs: Sequence[Output], chunk: Chunk) -> list[Output]:
    """Return the outputs of a part: rows instead of tables, and only the chunk's own frames."""
    parts = []
    for output in outputs:
        if part_name(output.files[0]) == ROWS:  # measurements depend on the row before the cut
            parts.append(Output((ROWS,), open_rows))
            continue
        opener = output.open
        if output.files == ("mask.mkv",):
            opener = partial(open_mask, name=part_name("mask.mkv"))
        parts.append(Output(output.files, partial(_open_within, opener=opener, chunk=chunk)))
    return parts


def open_rows(context: OutputContext) -> SegmentationSink:
    """Open the rows from which a table is written once all parts are complete."""
    options = context.options
    scale = choose_scale(options.white_to_white_mm, options.mm_per_px, context.info)
    return RowsSink(context.folder / ROWS, scale)


def _open_within(
    context: OutputContext, opener: Callable[[OutputContext], SegmentationSink], chunk: Chunk
) -> SegmentationSink:
    return Within(opener(context), chunk)


def _open(path: Path, options: RunOptions, chunk: Chunk) -> ChunkSource | None:
    """Open the chunk; return None if no frame in it can be decoded."""
    try:
        return ChunkSource(path, chunk, options.reading)
    except SourceError:
        if options.strict:
            raise
        return None
