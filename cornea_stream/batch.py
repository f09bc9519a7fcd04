"""Several sources, one after the other: one that fails does not stop the rest."""

from __future__ import annotations

import glob
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from cornea_stream.errors import (
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_PARTIAL,
    CorneaStreamError,
    SourceError,
    UsageError,
)
from cornea_stream.frames import MediaInfo
from cornea_stream.job import run_source
from cornea_stream.pipeline import Progress
from cornea_stream.run_types import RunOptions, RunResult
from cornea_stream.segmenter import Segmenter


def expand_sources(patterns: Sequence[str]) -> list[Path]:
    """Return the paths that `patterns` name, each once; globs that no shell expanded are expanded.

    Raises SourceError for a pattern that matches nothing, UsageError when two sources would write
    into the same output folder.
    """
    paths: dict[Path, None] = {}
    for pattern in patterns:
        matches = [pattern]
        if glob.has_magic(pattern) and not Path(pattern).exists():
            matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 (absolute patterns too)
        if not matches:
            raise SourceError(f"no file matches: {pattern}: check the pattern")
        paths.update(dict.fromkeys(map(Path, matches)))
    by_name: dict[str, Path] = {}
    for path in paths:
        name = path.resolve().name if path.is_dir() else path.stem
        if name in by_name:
            raise UsageError(
                f"two inputs share the output folder {name!r}: {by_name[name]} and {path}: "
                "run them apart, each with its own -o"
            )
        by_name[name] = path
    return list(paths)


def run_sources(
    sources: Sequence[Path],
    output_dir: str | Path,
    segmenter: Segmenter,
    options: RunOptions,
    *,
    stop: threading.Event,
    on_start: Callable[[MediaInfo, int | None], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> tuple[list[RunResult], int]:
    """Process `sources` in order; return their results and the exit code for all of them.

    The code is 0 when all are complete, 130 after `stop`, the failure's own code when none
    succeeded, and 6 when only some did. Raises only errors that are not CorneaStreamErrors.
    """
    results: list[RunResult] = []
    codes: list[int] = []
    for source in sources:
        if stop.is_set():
            break
        try:
            result = run_source(
                source, output_dir, segmenter, options,
                stop=stop, on_start=on_start, on_progress=on_progress,
            )  # fmt: skip
            codes.append(EXIT_OK)
        except CorneaStreamError as err:
            result = RunResult(str(source), str(output_dir), error=str(err))
            codes.append(err.exit_code)
        results.append(result)
    if stop.is_set():
        return results, EXIT_INTERRUPTED
    failures = [code for code in codes if code != EXIT_OK]
    if not failures:
        return results, EXIT_OK
    return results, failures[0] if len(failures) == len(codes) else EXIT_PARTIAL
