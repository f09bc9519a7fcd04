"""Outputs appear under their final name only when they are complete."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from cornea_stream.errors import OutputError


def part_path(path: Path) -> Path:
    """Return the name beside `path` under which it is written until it is complete."""
    return path.with_name(f"{path.stem}.part{path.suffix}")


def complete(path: Path) -> None:
    """Move the finished part file to its final name."""
    with output_errors(path):
        part_path(path).replace(path)


def write_file(path: Path, content: bytes) -> None:
    """Write a whole file at once, atomically. Raises OutputError."""
    with output_errors(path):
        part_path(path).write_bytes(content)
    complete(path)


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn errors of the file system and of FFmpeg's writers into an OutputError for `path`."""
    try:
        yield
    except (av.error.FFmpegError, OSError) as err:
        cause = getattr(err, "strerror", None) or err
        raise OutputError(
            f"cannot write output: {path}: {cause}: check free space and permissions"
        ) from err
