"""Long videos in segments: each is done apart and kept, by whatever executor, then all are joined.

What is made is what one piece would give: masks, table, PNGs, sound and all times. What cannot be
cut exactly is done in one piece, and said in a warning.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path

from cornea_stream.batch.task import Executor, Results, Step, Unit, failure
from cornea_stream.chunks.cuts import Segment, plan_segments
from cornea_stream.chunks.join import join
from cornea_stream.chunks.parts import (
    PARTS,
    WHOLE,
    Part,
    can_be_joined,
    discard_parts,
    renumbering,
)
from cornea_stream.errors import SourceError, UsageError
from cornea_stream.postprocess.smoothing import WEIGHTS
from cornea_stream.runs import manifest
from cornea_stream.runs.options import RunResult
from cornea_stream.runs.outputs import plan_outputs
from cornea_stream.runs.run import show
from cornea_stream.sources import open_source
from cornea_stream.storage import output_errors, write_file

_DAMAGED = "damage or wrong times in the video"


class InSegments:
    """Deals long videos to another executor in segments, and joins each when all of it is done."""

    def __init__(self, executor: Executor, length_s: float, *, smooth: bool) -> None:
        """Cut into segments of at least `length_s` seconds; `smooth`: whether masks are."""
        self._executor = executor
        self._length_s = length_s
        self._reach = len(WEIGHTS) // 2 if smooth else 0

    def run(
        self, units: Sequence[Unit], *, stop: threading.Event, on_step: Callable[[Step], None]
    ) -> Results:
        """Yield each of the whole units with its result. Raises as the other executor does.

        Raises UsageError for what goes frame by frame: live sources, streams and previews.
        Finished segments of a unit that does not come to its end are kept beside its outputs, for
        `resume`.
        """
        for unit in units:
            if not isinstance(unit.source, Path) or unit.options.is_watched:
                raise UsageError(
                    f"a live source, stream or preview is not cut: {unit.source}: leave --segment "
                    "out"
                )
        runs: list[SegmentedRun] = []
        for unit in units:
            if stop.is_set():
                return
            try:
                runs.append(SegmentedRun(unit, self._length_s, self._reach))
            except Exception as err:  # as `run_unit`: one video must not stop the others
                yield unit, failure(unit, err)
        while todo := {unit: run for run in runs for unit in run.waiting}:
            if stop.is_set():
                break

            def relay(step: Step, todo: dict[Unit, SegmentedRun] = todo) -> None:
                on_step(todo[step.unit].step(step))

            done = self._executor.run(list(todo), stop=stop, on_step=relay)
            with contextlib.closing(done):
                for unit, result in done:
                    if outcome := todo[unit].take(unit, result):
                        yield todo[unit].unit, outcome
        for run in runs:
            if outcome := run.interrupted():
                yield run.unit, outcome

    def describe(self) -> str:
        """Return what the other executor says."""
        return self._executor.describe()


class SegmentedRun:
    """One source on its way through its segments; `waiting` are the units that are to be done."""

    def __init__(self, unit: Unit, length_s: float, reach: int) -> None:
        """Plan the segments. Raises SourceError when the source cannot be read, and OutputError."""
        self.unit = unit
        self.waiting = [unit]
        self._length_s = length_s
        self._started, self._clock = datetime.now(timezone.utc), time.perf_counter()
        self._results: dict[Unit, RunResult] = {}
        self._frames: dict[Unit, int] = {}
        self._notes: list[str] = []
        options = unit.options
        assert isinstance(unit.source, Path)
        self._path = unit.source
        with open_source(
            self._path,
            start_s=options.start_s,
            end_s=options.end_s,
            every=options.every,
            strict=options.strict,
            max_megapixels=options.max_megapixels,
        ) as source:
            self._info, self._expected = source.info, source.frame_estimate
        if not options.resume:
            discard_parts(unit.folder)
        self._deal(self._plan(reach))

    def step(self, step: Step) -> Step:
        """Return how far the source is, when one of its units is as far as `step` says."""
        if step.unit.segment is None or step.progress is None:
            return Step(self.unit, step.expected or self._expected, step.progress)
        self._frames[step.unit] = step.progress.frames
        progress = replace(step.progress, frames=sum(self._frames.values()))
        return Step(self.unit, self._expected, progress)

    def take(self, unit: Unit, result: RunResult) -> RunResult | None:
        """Note what came of one of the units; return the result of the source once it is known."""
        if unit.segment is None:
            self._results.clear()
            self.waiting.clear()
            return result
        self._results[unit] = result
        self._frames[unit] = result.frames
        try:
            self._note_damage(self._part(unit))
            return self._conclude() if len(self._results) == len(self.waiting) else None
        except Exception as err:  # as `run_unit`
            return failure(self.unit, err)

    def interrupted(self) -> RunResult | None:
        """Return the result of a source that was begun and then stopped; None for any other."""
        if not self._results:
            return None
        return RunResult(
            str(self.unit.source), str(self.unit.folder), "interrupted",
            sum(self._frames.values()), time.perf_counter() - self._clock,
        )  # fmt: skip

    def _plan(self, reach: int) -> list[Segment]:
        """Return the segments of a long video; none for anything else, or where a note says why."""
        unit, info = self.unit, self._info
        short = info.duration_s is not None and info.duration_s <= self._length_s
        if info.kind != "video" or short:
            return []
        for output in plan_outputs(unit.folder, unit.source, unit.options):
            if not can_be_joined(output.name):
                return self._leave_whole(f"{output.name} cannot be joined")
        if self._is_known_damaged():
            return self._leave_whole(_DAMAGED)
        plan = plan_segments(
            self._path,
            self._length_s,
            start_s=unit.options.start_s,
            end_s=unit.options.end_s,
            every=unit.options.every,
            reach=reach,
            max_megapixels=unit.options.max_megapixels,
        )
        return self._leave_whole(plan.obstacle) if plan.obstacle else list(plan.segments)

    def _leave_whole(self, reason: str) -> list[Segment]:
        self._notes.append(f"not cut into segments: {reason}")
        return []

    def _deal(self, segments: Sequence[Segment]) -> None:
        """Have these segments done next, the whole source where there are not several."""
        self._results.clear()
        self._frames.clear()
        unit = self.unit
        if len(segments) > 1:
            manifest.begin(unit.folder)
            self.waiting = [
                Unit(unit.source, unit.folder / PARTS / segment.name, unit.options, segment)
                for segment in segments
            ]
        else:
            self.waiting = [replace(unit, notes=tuple(self._notes))]

    def _is_known_damaged(self) -> bool:
        """Whether an earlier run found damage; what is not from this source is thrown away."""
        parts = self.unit.folder / PARTS
        if (parts / WHOLE).exists():
            if (parts / WHOLE).read_text() == manifest.fingerprint(self._path):
                return True
            discard_parts(self.unit.folder)
        return False

    def _note_damage(self, part: Part | None) -> None:
        """Let all units that are still waiting know when a part shows that they are in vain."""
        if part and part.mended:
            marker = part.folder.parent / WHOLE
            with output_errors(marker):
                marker.write_text(manifest.fingerprint(self._path))

    def _conclude(self) -> RunResult | None:
        """Join the parts of all segments, or deal others where they do not fit."""
        for result in self._results.values():
            if result.status == "interrupted":
                return None
            if result.status == "failed":
                self._end()
                return replace(result, folder=str(self.unit.folder))
        parts = [part for part in map(self._part, self.waiting) if part]
        if len({part.told["fingerprint"] for part in parts}) > 1:
            self._end()
            raise SourceError(
                f"the source changed during the run: {self._path}: run again with --resume"
            )
        if self._is_known_damaged() or any(part.mended for part in parts):
            self._deal(self._leave_whole(_DAMAGED))
            return None
        moved = renumbering(parts, self.unit.options.every)
        steps = [step for step in moved if step is not None]
        if len(steps) == len(moved):
            self._end()
            return self._join(parts, steps)
        self._deal(self._without_cuts(parts, moved))
        return None

    def _end(self) -> None:
        self._results.clear()
        self.waiting.clear()

    def _part(self, unit: Unit) -> Part | None:
        told = manifest.read(unit.folder)
        if unit.segment and told and told["status"] == "complete":
            return Part(unit.segment, unit.folder, told)
        return None

    def _without_cuts(self, parts: Sequence[Part], moved: Sequence[int | None]) -> list[Segment]:
        """Return the segments of parts with those that do not fit added to the ones before."""
        merged: list[Segment] = []
        for part, step in zip(parts, moved, strict=True):
            if step is not None:
                merged.append(part.segment)
                continue
            merged[-1] = merged[-1].with_next(part.segment)
            time_s = float(part.segment.start * self._info.time_base)
            self._notes.append(
                f"not cut at {time_s:.2f} s: decoding from there gives other pictures or times"
            )
        return merged

    def _join(self, parts: Sequence[Part], moved: Sequence[int]) -> RunResult:
        unit, first = self.unit, parts[0].told
        targets = plan_outputs(unit.folder, unit.source, unit.options)
        result = RunResult(
            str(unit.source),
            str(unit.folder),
            "complete",
            frames=sum(part.frames for part in parts),
            last_time_s=parts[-1].evidence["last_time_s"],
            outputs=[target.name for target in targets],
            warnings=list(self._notes),
            paths=first["paths"],
        )
        join(parts, moved, result, self._info, unit.options)
        result.seconds = time.perf_counter() - self._clock
        told = {
            **{name: value for name, value in first.items() if name != "evidence"},
            "status": result.status,
            "frames": result.frames,
            "last_time_s": result.last_time_s,
            "outputs": result.outputs,
            "warnings": result.warnings,
            "scale": asdict(result.scale) if result.scale else None,
            "settings": {k: v for k, v in first["settings"].items() if k != "segment"},
            "started": self._started.isoformat(timespec="seconds"),
            "seconds": round(result.seconds, 3),
            "fps": round(result.fps, 2),
            "segments": {
                "length_s": self._length_s,
                "begin_s": [float(p.segment.start * self._info.time_base) for p in parts],
                "frames": [part.frames for part in parts],
                "started": [part.told["started"] for part in parts],
            },
        }
        content = json.dumps(told, indent=2) + "\n"
        write_file(unit.folder / manifest.NAME, content.encode())
        discard_parts(unit.folder)
        show(result, unit.options)
        return result
