"""How long a run would take and how much it would write, from its first frames."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from cornea_stream.batch.setup import Setup
from cornea_stream.batch.task import describe_engine
from cornea_stream.pipeline.pipeline import Progress
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.plan import RunPlan, plan_run
from cornea_stream.runs.run import run_plan
from cornea_stream.sources.open import open_reading
from cornea_stream.storage import RUN_JSON

SAMPLE_FRAMES = 50
"""The sample ends after this many frames and those that are then in flight."""
_OPENED = 16
"""Up to this many sources are opened to count frames; the others are assumed to be alike."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The engine, and what all sources together would take; `bytes` are those of the outputs.

    Without a number of frames in the headers, `frames`, `seconds` and `bytes` are None. `sampled`
    is the number of frames that the speed was measured on.
    """

    engine: str
    fps: float
    sampled: int
    frames: int | None
    seconds: float | None
    bytes: int | None


def estimate(plans: Sequence[RunPlan], setup: Setup) -> Estimate:
    """Run the beginning of the first plan in a temporary folder, and count what all would take.

    All sources must be files. Raises the errors of loading the network and of the run.
    """
    segmenter = setup.build()
    stop = threading.Event()

    def end_soon(progress: Progress) -> None:
        if progress.frames >= SAMPLE_FRAMES:
            stop.set()

    with TemporaryDirectory() as folder:
        plan = plan_run(
            plans[0].source, Path(folder) / "sample", _sampled(plans[0], Path(folder)),
            segmenter.mask_settings,
        )  # fmt: skip
        result = run_plan(plan, segmenter, stop=stop, on_progress=end_soon)
        names = set(plans[0].files) - {RUN_JSON}
        written = sum(
            path.stat().st_size
            for path in plan.folder.rglob("*")
            if path.is_file() and path.relative_to(plan.folder).parts[0] in names
        )
    frames = _frames(plans)
    return Estimate(
        describe_engine(segmenter),
        result.fps,
        result.frames,
        frames,
        None if frames is None else frames / result.fps,
        None if frames is None else round(written * frames / result.frames),
    )


def _sampled(plan: RunPlan, folder: Path) -> RunOptions:
    """Return the options of the sample: nobody watches it, and all it writes is in `folder`."""
    options = plan.options
    return replace(
        options,
        streams=(),
        preview=None,
        overlay=options.overlay or options.preview is not None,  # which is painted too
        jsonl=None if options.jsonl is None else folder / "lines",
        realtime=False,
        resume=False,
        report=False,
        summary=False,
    )


def _frames(plans: Sequence[RunPlan]) -> int | None:
    """Return the number of frames of all sources, about; None if no header tells it."""
    counted = known_bytes = 0
    for plan in plans[:_OPENED]:
        with open_reading(plan.source, plan.options.reading) as source:
            if source.frame_estimate is not None:
                counted += source.frame_estimate
                known_bytes += _size(plan)
    if not counted:
        return None
    return round(counted * sum(map(_size, plans)) / known_bytes)


def _size(plan: RunPlan) -> int:
    path = Path(str(plan.source))
    files = [path] if path.is_file() else path.iterdir()
    return sum(file.stat().st_size for file in files if file.is_file())
