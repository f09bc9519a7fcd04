"""run.json: what a run did, and whether it needs to be done again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from cornea_stream.errors import OutputError
from cornea_stream.inference.segmenter import MaskSettings, Segmenter
from cornea_stream.media.frame import MediaInfo
from cornea_stream.runs.environment import machine, versions
from cornea_stream.runs.options import RunOptions, RunResult
from cornea_stream.storage import output_errors, part_path

NAME = "run.json"
# These say how to treat earlier outputs, who decodes, how fast to read, where else to show it or
# what to draw of it, not what the files hold.
_NOT_SETTINGS = (
    "overwrite", "resume", "decoder", "streams", "files", "realtime", "preview", "report",
    "summary",
)  # fmt: skip


def fingerprint(path: Path) -> str:
    """Return a short hash of a source's size and time, of all files of a folder."""
    files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    facts = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:24]


def settings(options: RunOptions, masks: MaskSettings) -> dict[str, Any]:
    """Return everything that decides a run's outputs, beside the source."""
    chosen = {k: v for k, v in asdict(options).items() if k not in _NOT_SETTINGS}
    return {**chosen, **asdict(masks)}


def begin(folder: Path) -> None:
    """Leave word in `folder` that a run is at work, until its run.json replaces that.

    Raises OutputError.
    """
    path = folder / NAME
    with output_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
        part_path(path).write_text(json.dumps({"status": "running"}) + "\n")


@contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """Begin, and keep other processes away meanwhile, however this one ends.

    Raises OutputError, also where another process is at work.
    """
    path = folder / NAME
    with output_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
        held = part_path(path).open("a", encoding="utf-8")
    with held:
        if not _lock(held):
            raise OutputError(
                f"another run is at work there: {folder}: wait for its end or choose another -o"
            )
        begin(folder)
        yield


def _lock(held: IO[str]) -> bool:
    """Lock an open file; False where another process has it."""
    try:
        import fcntl
    except ImportError:  # Windows: nothing keeps runs apart there
        return True
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    named = Path(held.name)  # the other may just have made its run.json of it
    return named.exists() and os.path.samestat(os.fstat(held.fileno()), named.stat())


def give_up(folder: Path) -> None:
    """Take the word of `begin` back where all that an earlier run made is still there as it was."""
    if (folder / NAME).exists() and not is_mixed(folder):
        part_path(folder / NAME).unlink(missing_ok=True)


def is_mixed(folder: Path) -> bool:
    """Whether a later run, cut off or still at work, has replaced some of what run.json tells of.

    A run writes its run.json last, so what is younger is not its own.
    """
    told = read(folder)
    if told is None or not part_path(folder / NAME).exists():
        return False
    written = (folder / NAME).stat().st_mtime_ns
    outputs = [folder / str(name) for name in told.get("outputs", [])]
    return any(not path.exists() or path.stat().st_mtime_ns > written for path in outputs)


def is_own(folder: Path) -> bool:
    """Whether a run, complete or killed at any moment, made what is in `folder`."""
    return read(folder) is not None or part_path(folder / NAME).exists()


def read(folder: Path) -> dict[str, Any] | None:
    """Return the run.json in `folder`, or None where there is none that can be read."""
    try:
        content = json.loads((folder / NAME).read_text())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def find_complete(folder: Path, source: str, wanted: dict[str, Any]) -> dict[str, Any] | None:
    """Return the run.json of `folder` if it holds all outputs of a source (its fingerprint)."""
    found = read(folder)
    complete = (
        found is not None
        and not part_path(folder / NAME).exists()  # a later run was cut off
        and found.get("status") == "complete"
        and found.get("fingerprint") == source
        and found.get("settings") == wanted
        and all((folder / str(name)).exists() for name in found.get("outputs", []))
    )
    return found if complete else None


def describe(
    result: RunResult,
    info: MediaInfo,
    fingerprint: str | None,
    segmenter: Segmenter,
    options: RunOptions,
    started: datetime,
) -> dict[str, Any]:
    """Return the content of run.json."""
    checkpoint = segmenter.checkpoint
    return {
        "status": result.status,
        "source": {**asdict(info), "path": str(info.path.resolve()) if info.path else None},
        "fingerprint": fingerprint,
        "frames": result.frames,
        "frames_expected": info.frame_count,
        "last_time_s": result.last_time_s,
        "outputs": result.outputs,
        "live": asdict(result.live) if result.live else None,
        "warnings": result.warnings,
        "damaged_s": result.damaged_s,
        "scale": asdict(result.scale) if result.scale else None,
        "settings": settings(options, segmenter.mask_settings),
        "engine": segmenter.engine.describe(),
        "paths": result.paths,
        "checkpoint": {
            "file": str(checkpoint.path),
            "sha256": checkpoint.sha256,
            "spec": checkpoint.spec.to_dict(),
        },
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(result.seconds, 3),
        "fps": round(result.fps, 2),
        "versions": versions(),
        "machine": machine(),
    }
