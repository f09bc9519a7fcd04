"""The files of a run folder: atomic writes, ownership, and the lock of a run.

A file appears under its final name only when it is complete. A folder is ours if it contains a
run.json of cornea-stream, or the marker of a run whose run.json is not written yet.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import filelock

from cornea_stream.errors import OutputError

TOOL = "cornea-stream"
RUN_JSON = "run.json"
MARKER = "run.part.json"
"""Marker next to the outputs during a run and after a killed one."""
SCRATCH = ".chunks.part"
"""Folder of the parts of a run until they are joined; obsolete once a run is complete."""
_LOCK = ".run.lock"
_KEYS_BEFORE_TOOL = {"status", "fingerprint", "settings", "checkpoint", "versions"}
"""Keys of every run.json from before it named its tool."""


def part_path(path: Path) -> Path:
    """Return the .part name that `path` has until it is complete."""
    return path.with_name(f"{path.stem}.part{path.suffix}")


def complete(path: Path) -> None:
    """Move the finished .part file to its final name. Raises OutputError."""
    with output_errors(path):
        part_path(path).replace(path)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary name next to `path`; move it there at the end, remove it on an error.

    The name keeps the suffix and is unique, so that several processes can write the same file.
    Raises OutputError.
    """
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.part{path.suffix}")
    with output_errors(path):
        try:
            yield temporary
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def write_file(path: Path, content: bytes) -> None:
    """Write a whole file atomically. Raises OutputError."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn errors of the file system and of FFmpeg's muxers into an OutputError for `path`."""
    try:
        yield
    except (av.error.FFmpegError, OSError) as err:
        cause = getattr(err, "strerror", None) or err
        raise OutputError(
            f"cannot write output: {path}: {cause}: check free space and permissions"
        ) from err


def read_run(folder: Path) -> dict[str, Any] | None:
    """Return the run.json of cornea-stream in `folder`, or None if there is no readable one."""
    content = _read_json(folder / RUN_JSON)
    if content is None:
        return None
    if "tool" in content:
        return content if content["tool"] == TOOL else None
    versions = content.get("versions")
    known = content.keys() >= _KEYS_BEFORE_TOOL and isinstance(versions, dict) and TOOL in versions
    return content if known else None


def is_ours(folder: Path) -> bool:
    """Whether a run of cornea-stream, complete or killed, wrote to `folder`."""
    return read_run(folder) is not None or is_unfinished(folder)


def is_unfinished(folder: Path) -> bool:
    """Whether a run is active in `folder` or was killed there."""
    marker = folder / MARKER
    if not marker.exists():
        return False
    content = _read_json(marker)
    # An empty marker is from a run killed immediately; older versions did not name the tool.
    return content is None or content.get("tool", TOOL) == TOOL


def is_interrupted(folder: Path) -> bool:
    """Whether the last run in `folder` was stopped or killed, or is still active."""
    run = read_run(folder)
    return is_unfinished(folder) or (run is not None and run.get("status") == "interrupted")


def is_mixed(folder: Path) -> bool:
    """Whether a later run, killed or active, has replaced some of the outputs in run.json.

    A run writes its run.json last, so a newer output belongs to another run.
    """
    run = read_run(folder)
    if run is None or not is_unfinished(folder):
        return False
    written = (folder / RUN_JSON).stat().st_mtime_ns
    outputs = [folder / str(name) for name in run.get("outputs", [])]
    return any(not path.exists() or path.stat().st_mtime_ns > written for path in outputs)


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Create `folder`, mark it as active, and lock it for other runs until the end.

    Folders that were created are removed again if nothing was written.
    `write_run` removes the marker, and so does the end if nothing was written, or if all outputs of
    an earlier run are unchanged. Otherwise it remains and marks the folder as unfinished.
    Raises OutputError, also if another run has the lock.
    """
    lock = filelock.FileLock(folder / _LOCK, thread_local=False)
    with output_errors(folder):
        new = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        if not _acquire(lock):
            raise OutputError(
                f"the output folder is locked by another run: {folder}: wait for its end or "
                "choose another output folder"
            )
    try:
        with output_errors(folder / MARKER):
            (folder / MARKER).write_text(json.dumps({"tool": TOOL, "status": "running"}) + "\n")
        yield
    finally:
        nothing_made = _names(folder) <= {MARKER, _LOCK}
        with contextlib.suppress(OSError):
            if nothing_made or (read_run(folder) and not is_mixed(folder)):
                (folder / MARKER).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # Windows removes it on release
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
        if nothing_made:
            with contextlib.suppress(OSError):  # others may write to those above
                for path in new:
                    path.rmdir()


def write_run(folder: Path, content: dict[str, Any]) -> None:
    """Write run.json, which completes the folder. Raises OutputError."""
    text = json.dumps({"tool": TOOL} | content, indent=2, default=str) + "\n"
    write_file(folder / RUN_JSON, text.encode())
    with output_errors(folder / MARKER):
        (folder / MARKER).unlink(missing_ok=True)
    discard_scratch(folder)


def discard_scratch(folder: Path) -> None:
    """Remove the parts of an unfinished run from `folder`."""
    shutil.rmtree(folder / SCRATCH, ignore_errors=True)


def _names(folder: Path) -> set[str]:
    try:
        return {path.name for path in folder.iterdir()}
    except OSError:  # it has vanished
        return set()


def _acquire(lock: filelock.BaseFileLock) -> bool:
    """Lock without waiting; return False if another process has the lock."""
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        return False
    if Path(lock.lock_file).exists():
        return True
    lock.release()  # the run that just ended removed it
    return False


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
