"""Print what a run would do: `cornea-stream run --dry-run`."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from cornea_stream.batch.run_batch import exit_code
from cornea_stream.batch.setup import Setup
from cornea_stream.batch.task import SourceTask
from cornea_stream.cli.messages import as_options
from cornea_stream.diagnostics.estimate import Estimate, estimate
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.plan import RunPlan
from cornea_stream.sinks.lines import STDOUT


def print_plan(tasks: Sequence[SourceTask], setup: Setup, *, as_json: bool) -> int:
    """Print sources, outputs, engine, time and space; return the exit code of the planning."""
    failures = [task.failed for task in tasks if task.failed]
    plans = [task.plan for task in tasks if task.plan and not task.plan.finished]
    files = [plan for plan in plans if isinstance(plan.source, Path)]
    found = estimate(files, setup) if files else None
    if as_json:
        content = {
            "sources": [_as_dict(task) for task in tasks],
            "estimate": asdict(found) if found else None,
        }
        typer.echo(json.dumps(content, indent=2))
    else:
        for task in tasks:
            typer.echo(_in_words(task))
        if found:
            typer.echo(_estimate_in_words(found, files))
        if not failures:
            typer.echo("Nothing was written: leave out --dry-run to start.")
    return exit_code(failures, len(tasks))


def _as_dict(task: SourceTask) -> dict[str, Any]:
    plan = task.plan
    return {
        "source": str(task.source),
        "folder": str(task.folder),
        "outputs": [*plan.files, *plan.pages] if plan else [],
        "jsonl": _lines(task.options),
        "complete": bool(plan and plan.finished),
        "error": task.failed and task.failed.error,
    }


def _in_words(task: SourceTask) -> str:
    if task.failed:
        return f"{task.source}: Error: {as_options(task.failed.error or '')}"
    assert task.plan is not None
    if task.plan.finished:
        return f"{task.source}: complete, would be skipped"
    outputs = [str(task.folder / name) for name in (*task.plan.files, *task.plan.pages)]
    outputs += [str(target) for target in task.options.streams]
    if lines := _lines(task.options):
        outputs.append(lines)
    return "\n  ".join([f"{task.source}:", *outputs])


def _lines(options: RunOptions) -> str | None:
    """Return the file that gets lines of JSON; standard output is none."""
    path = options.jsonl
    return None if path is None or path == STDOUT or isinstance(path, int) else str(path)


def _estimate_in_words(found: Estimate, plans: Sequence[RunPlan]) -> str:
    speed = f"{found.fps:.1f} fps over the first {found.sampled} frames of {plans[0].source}"
    if found.seconds is None or found.bytes is None:
        return f"{found.engine}: {speed}"
    duration = _duration(math.ceil(found.seconds))
    free = shutil.disk_usage(_existing(plans[0].folder)).free
    return (
        f"{found.engine}: {speed}\n"
        f"About {found.frames} frames, {duration}, {_amount(found.bytes)} ({_amount(free)} free)"
    )


def _duration(seconds: int) -> str:
    """Return a duration as options take it: 40s, 12m30s or 2h5m."""
    if seconds < 60:
        return f"{seconds}s"
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes}m{seconds}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60}m"


def _existing(folder: Path) -> Path:
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def _amount(size: int) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size / 1e3:.0f} kB"
