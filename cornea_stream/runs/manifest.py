"""run.json: a description of a run, also used to decide whether to repeat it."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from cornea_stream.inference.segmenter import MaskSettings, Segmenter
from cornea_stream.media.frame import MediaInfo
from cornea_stream.runs.environment import machine, versions
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.result import RunResult
from cornea_stream.storage import is_unfinished, read_run

# Options that do not determine the files of a complete run: treatment of earlier outputs, reading
# and decoding, live outputs, and figures.
_NOT_SETTINGS = frozenset({
    "overwrite", "resume", "decoder", "streams", "files", "realtime", "preview", "report",
    "summary", "jsonl", "strict", "max_megapixels", "reconnect_s", "live",
})  # fmt: skip


def settings(options: RunOptions, masks: MaskSettings) -> dict[str, Any]:
    """Return all settings that determine the outputs of a run, as JSON values."""
    chosen = {k: v for k, v in asdict(options).items() if k not in _NOT_SETTINGS}
    of_masks = asdict(masks)
    del of_masks["class_name"]  # follows from the checkpoint
    return {**chosen, **of_masks}


def find_finished(
    source: Path,
    folder: Path,
    fingerprint: str,
    wanted: dict[str, Any],
    options: RunOptions,
) -> RunResult | None:
    """Return the result of a complete run in `folder` with these outputs as skipped, else None.

    With `options.strict`, a run with damage does not count as complete.
    """
    found = find_complete(folder, fingerprint, wanted)
    if found is None or (options.strict and found.get("damaged_s")):
        return None
    return RunResult(
        str(source), str(folder), "skipped", found["frames"], found["seconds"],
        found["last_time_s"], found["outputs"], frames_found=found.get("frames_found"),
    )  # fmt: skip


def find_complete(folder: Path, fingerprint: str, wanted: dict[str, Any]) -> dict[str, Any] | None:
    """Return the run.json of `folder` if all outputs exist and source and settings are the same."""
    found = read_run(folder)
    complete = (
        found is not None
        and not is_unfinished(folder)  # a later run was killed
        and found.get("status") == "complete"
        and found.get("fingerprint") == fingerprint
        and _same_settings(found.get("settings"), wanted)
        and all((folder / str(name)).exists() for name in found.get("outputs", []))
    )
    return found if complete else None


def _same_settings(found: object, wanted: dict[str, Any]) -> bool:
    """Whether the settings in run.json are the same; missing ones had their defaults."""
    if not isinstance(found, dict):
        return False
    defaults = {field.name: field.default for field in fields(RunOptions)}
    return all(found.get(name, defaults.get(name)) == value for name, value in wanted.items())


def describe(
    result: RunResult,
    info: MediaInfo,
    fingerprint: str | None,
    settings: dict[str, Any],
    segmenter: Segmenter,
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
        "frames_found": result.frames_found,
        "last_time_s": result.last_time_s,
        "outputs": result.outputs,
        "live": asdict(result.live) if result.live else None,
        "warnings": result.warnings,
        "damaged_s": result.damaged_s,
        "scale": asdict(result.scale) if result.scale else None,
        "settings": settings,
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
