"""Puts the frames of runs that are worth correcting into a project."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from cornea_stream.errors import UsageError, check_number
from cornea_train.correct.facts import FrameFacts
from cornea_train.correct.outline import outline_of
from cornea_train.correct.project import Project
from cornea_train.run_frames import Chosen, RunFrames, open_runs


def prepare(
    project: Project,
    runs: Sequence[str | Path],
    *,
    spread: int = 20,
    uncertain: int = 20,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_note: Callable[[str], None] = lambda note: None,
) -> None:
    """Add `spread` even and up to `uncertain` of the least certain frames of each run.

    Frames that the project has already are left as they are, so that more can be added later, and
    corrections go on where the source is no longer there. `on_progress` gets the number of frames
    added and to add; `on_note` gets sentences for the user.
    Raises UsageError if there is nothing to correct, SourceError if a run or its source is missing
    or has changed, CheckpointError if its weights are needed and missing, and OutputError.
    """
    check_number("spread", spread, 0, example=20)
    check_number("uncertain", uncertain, 0, example=20)
    wanted: list[tuple[RunFrames, list[Chosen]]] = []
    opened = open_runs(runs)
    names = {f.class_name for f in project.frames} | {run.run.class_name for run in opened}
    if len(names) > 1:
        raise UsageError(
            f"runs of several structures: {', '.join(sorted(names))}: correct them in separate "
            "output folders"
        )
    for run in opened:
        project.check_free(run.case)
        chosen = [
            c for c in run.choose(spread, uncertain) if not project.has(run.case, _name(run, c))
        ]
        if run.records is None:
            on_note(
                f"{run.name}: nothing was measured in this run, so its frames are evenly spread; "
                "run with metrics=True to correct the least certain ones"
            )
        if chosen:
            run.check_source()
            wanted.append((run, chosen))
    total, done = sum(len(chosen) for _, chosen in wanted), 0
    for run, chosen in wanted:
        weights = run.weights
        for choice, (frame, mask) in zip(chosen, run.frames(chosen), strict=True):
            on_progress(done, total)
            facts = FrameFacts(
                run.case, _name(run, choice), frame.time_s, choice.reason, frame.size,
                outline_of(mask), weights, run.run.class_name,
            )  # fmt: skip
            project.add(facts, frame.rgb())
            done += 1
    if not project.frames:
        raise UsageError(f"nothing to correct: {project.root}: give the folder of a run")


def _name(run: RunFrames, choice: Chosen) -> str:
    return f"{run.name}_{choice.label}"
