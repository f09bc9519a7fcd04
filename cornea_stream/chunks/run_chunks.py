"""Long videos in chunks: each is processed separately by any executor, then all are joined.

Masks, table, PNGs, audio and all times equal those of a run in one piece. A video that cannot be
cut exactly is processed in one piece, with a warning.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any

from cornea_stream.batch.task import SourceTask, Step, Task, failure
from cornea_stream.chunks.cuts import Chunk, plan_chunks
from cornea_stream.chunks.join_parts import join
from cornea_stream.chunks.parts import WHOLE, Part, can_be_joined, renumbering
from cornea_stream.chunks.run_chunk import ChunkTask, check_unchanged
from cornea_stream.runs.plan import RunPlan
from cornea_stream.runs.result import RunResult
from cornea_stream.runs.run import add_warnings, show
from cornea_stream.sources.open import open_reading
from cornea_stream.sources.video_track import conversions
from cornea_stream.storage import (
    SCRATCH,
    discard_scratch,
    hold_folder,
    output_errors,
    read_run,
    write_run,
)

_DAMAGED = "damage or wrong times in the video"


class ChunkedRun:
    """One source processed in chunks; `waiting` are the tasks to run.

    While there are chunks, it locks the output folder, so that no other run writes there.
    """

    def __init__(self, task: SourceTask, length_s: float, reach: int) -> None:
        """Plan the chunks. Raises SourceError if the source cannot be read, and OutputError."""
        assert task.plan is not None
        assert isinstance(task.plan.source, Path)
        self.task, self._plan, self._path = task, task.plan, task.plan.source
        self.waiting: list[Task] = []
        self._held = contextlib.ExitStack()
        self._length_s = length_s
        self._started, self._clock = datetime.now(timezone.utc), time.perf_counter()
        self._results: dict[Task, RunResult] = {}
        self._frames: dict[Task, int] = {}
        self._notes: list[str] = []
        self._chunk_tasks: list[ChunkTask] = []
        options = self._plan.options
        with open_reading(self._path, options.reading) as source:
            self._info, self._expected = source.info, source.frame_estimate
        self._held.enter_context(hold_folder(task.folder))
        try:
            self._plan.check_standing()
            if not options.resume:
                discard_scratch(task.folder)
            self._deal(self._cut(reach))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Unlock the output folder."""
        self._held.close()

    def step(self, step: Step) -> Step:
        """Return the progress of the source after a step of one of its tasks."""
        if step.task not in self._chunk_tasks or step.progress is None:
            return Step(self.task, step.expected or self._expected, step.progress)
        self._frames[step.task] = step.progress.frames
        progress = replace(step.progress, frames=sum(self._frames.values()))
        return Step(self.task, self._expected, progress)

    def take(self, task: Task, result: RunResult) -> RunResult | None:
        """Record the result of one task; return the result of the source once it is known."""
        if task not in self._chunk_tasks:
            self._end()
            return result
        self._results[task] = result
        self._frames[task] = result.frames
        try:
            self._note_damage(self._part(task))
            return self._conclude() if len(self._results) == len(self.waiting) else None
        except Exception as err:  # as `run_task`
            self._end()
            return failure(self.task, err)

    def interrupted(self) -> RunResult | None:
        """Return the result of a source that was started and then stopped, else None."""
        if not self._results:
            return None
        return RunResult(
            str(self.task.source), str(self.task.folder), "interrupted",
            sum(self._frames.values()), time.perf_counter() - self._clock,
        )  # fmt: skip

    def _cut(self, reach: int) -> list[Chunk]:
        """Return the chunks of a long video; none if it is not cut, possibly with a note."""
        options, info = self._plan.options, self._info
        short = info.duration_s is not None and info.duration_s <= self._length_s
        if info.kind != "video" or short:
            return []
        for name in self._plan.files:
            if not can_be_joined(name):
                return self._leave_whole(f"{name} cannot be joined")
        if options.frames and options.name_by == "time":
            return self._leave_whole("PNGs named by time cannot be joined")
        if self._is_known_damaged():
            return self._leave_whole(_DAMAGED)
        cuts = plan_chunks(self._path, self._length_s, options.reading, reach=reach)
        return self._leave_whole(cuts.obstacle) if cuts.obstacle else list(cuts.chunks)

    def _leave_whole(self, reason: str) -> list[Chunk]:
        self._notes.append(f"not cut into chunks: {reason}")
        return []

    def _deal(self, chunks: Sequence[Chunk]) -> None:
        """Schedule these chunks next, or the whole source if there are not several."""
        self._results.clear()
        self._frames.clear()
        self._chunk_tasks = []
        if len(chunks) > 1:
            scratch = self.task.folder / SCRATCH
            self._chunk_tasks = [ChunkTask(self._plan, c, scratch / c.name) for c in chunks]
            self.waiting = list(self._chunk_tasks)
        else:
            self.close()  # the run in one piece locks the folder itself
            plan = replace(self._plan, notes=(*self._plan.notes, *self._notes))
            self.waiting = [replace(self.task, plan=plan)]

    def _is_known_damaged(self) -> bool:
        """Whether an earlier run found damage; leftovers of other sources are discarded."""
        marker = self.task.folder / SCRATCH / WHOLE
        if marker.exists():
            if marker.read_text() == self._plan.fingerprint:
                return True
            discard_scratch(self.task.folder)
        return False

    def _note_damage(self, part: Part | None) -> None:
        """Tell waiting tasks to stop if a part shows that the video cannot be cut."""
        if part and part.mended:
            marker = part.folder.parent / WHOLE
            with output_errors(marker):
                marker.write_text(self._plan.fingerprint or "")

    def _conclude(self) -> RunResult | None:
        """Join the parts of all chunks, or schedule others if they do not match."""
        for result in self._results.values():
            if result.status == "interrupted":
                return None
            if result.status == "failed":
                self._end()
                return replace(result, folder=str(self.task.folder))
        parts = [part for part in map(self._part, self.waiting) if part]
        if self._is_known_damaged() or any(part.mended for part in parts):
            self._deal(self._leave_whole(_DAMAGED))
            return None
        check_unchanged(self._plan)
        moved = renumbering(parts, self._plan.options.every)
        steps = [step for step in moved if step is not None]
        if len(steps) == len(moved):
            result = self._join(parts, steps)
            self._end()
            return result
        self._deal(self._without_cuts(parts, moved))
        return None

    def _end(self) -> None:
        self.close()
        self._results.clear()
        self.waiting.clear()

    def _part(self, task: Task) -> Part | None:
        content = read_run(task.folder)
        if isinstance(task, ChunkTask) and content and content["status"] == "complete":
            return Part(task.chunk, task.folder, content)
        return None

    def _without_cuts(self, parts: Sequence[Part], moved: Sequence[int | None]) -> list[Chunk]:
        """Return the chunks of parts, with those that do not match merged into the previous one."""
        merged: list[Chunk] = []
        for part, step in zip(parts, moved, strict=True):
            if step is not None:
                merged.append(part.chunk)
                continue
            merged[-1] = merged[-1].with_next(part.chunk)
            time_s = float(part.chunk.start * self._info.time_base)
            self._notes.append(
                f"not cut at {time_s:.2f} s: decoding from there gives other frames or times"
            )
        return merged

    def _join(self, parts: Sequence[Part], moved: Sequence[int]) -> RunResult:
        first, folder = parts[0].record, self.task.folder
        result = RunResult(
            str(self.task.source), str(folder), "complete",
            frames=sum(part.frames for part in parts),
            last_time_s=parts[-1].evidence["last_time_s"],
            outputs=self._plan.files,
            paths=first["paths"],
            frames_found=sum(part.frames_found for part in parts),
        )  # fmt: skip
        join(parts, moved, result, self._info, self._plan.options)
        of_source = [*self._notes, *conversions(self._info)]
        add_warnings(result, self._plan, of_source, parts[0].notes, parts[0].doubt)
        result.seconds = time.perf_counter() - self._clock
        content = describe_joined(
            self._plan, result, parts, self._info.time_base, self._started, self._length_s
        )
        write_run(folder, content)
        show(result, self._plan.options)
        return result


def describe_joined(
    plan: RunPlan,
    result: RunResult,
    parts: Sequence[Part],
    time_base: Fraction,
    started: datetime,
    length_s: float,
) -> dict[str, Any]:
    """Return run.json of a video whose parts were joined; `segments` lists the chunks."""
    first = parts[0].record
    return {
        **{name: value for name, value in first.items() if name not in ("evidence", "weights")},
        "status": result.status,
        "frames": result.frames,
        "frames_found": result.frames_found,
        "last_time_s": result.last_time_s,
        "outputs": result.outputs,
        "warnings": result.warnings,
        "scale": asdict(result.scale) if result.scale else None,
        "settings": plan.settings,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(result.seconds, 3),
        "fps": round(result.fps, 2),
        "segments": {
            "length_s": length_s,
            "begin_s": [float(part.chunk.start * time_base) for part in parts],
            "frames": [part.frames for part in parts],
            "started": [part.record["started"] for part in parts],
        },
    }
