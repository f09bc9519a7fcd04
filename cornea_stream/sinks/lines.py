"""Measurements as lines of JSON, each sent when its frame is done."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cornea_stream.errors import OutputError, ReaderGoneError
from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.postprocess.measurement import measure
from cornea_stream.sinks.base import SegmentationSink
from cornea_stream.sinks.measurement_columns import COLUMNS, Column, measured
from cornea_stream.sinks.stream.pipe import AbandonedError, Pipe
from cornea_stream.storage import output_errors

STDOUT = "-"
_STDOUT_LABEL = "standard output"
_LEFT_OUT = ("agreement_prev",)
_LONGEST = 10_000


class LineSink(SegmentationSink):
    """Writes an object with the columns of metrics.csv, except `agreement_prev`, for every frame.

    `target` is a file, a file descriptor, or - for standard output. Lines are whole and written at
    once, so that another program can follow them; a file therefore has its final name from the
    beginning. With `may_break`, a reader that goes away gives a warning instead of an error.
    """

    name = "jsonl"

    def __init__(self, target: str | Path | int, *, may_break: bool = False) -> None:
        """Open the target; a file is replaced. Raises OutputError."""
        is_stdout = target == STDOUT or isinstance(target, int)
        self._label = _STDOUT_LABEL if is_stdout else target
        self._may_break = may_break
        self._warnings: list[str] = []
        with output_errors(Path(str(self._label))):
            self._pipe = Pipe(_open(target))

    @property
    def warnings(self) -> list[str]:
        """Why lines are missing."""
        return self._warnings

    def write(self, segmentation: Segmentation) -> None:
        """Write the line of one frame. Raises OutputError."""
        if self._pipe.closed:
            return
        values = measured(segmentation, measure(segmentation.mask), None)
        line = {
            column.name: _rounded(column, value)
            for column, value in zip(COLUMNS, values, strict=True)
            if column.name not in _LEFT_OUT
        }
        with self._errors():
            self._pipe.write((json.dumps(line) + "\n").encode())

    def close(self) -> None:
        """Close the target."""
        self._pipe.close()

    def abort(self) -> None:
        """Close the target; the lines so far are whole."""
        with contextlib.suppress(OSError):
            self._pipe.close()

    def hurry(self) -> None:
        """Stop waiting for a blocked reader; can be called from any thread."""
        self._pipe.abandon()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn errors into an OutputError, or into a warning."""
        try:
            yield
        except (AbandonedError, OSError) as err:
            self.abort()
            error = self._error(err)
            if not self._may_break:
                raise error from err
            self._warnings.append(f"{error}. Only the lines stopped, the files are complete")

    def _error(self, err: Exception) -> OutputError:
        if isinstance(err, BrokenPipeError) and self._label == _STDOUT_LABEL:
            return ReaderGoneError(
                f"cannot write lines: {self._label}: {err.strerror}: "
                "let the program that reads them go on"
            )
        cause = err.strerror if isinstance(err, OSError) else "gave up, nobody reads"
        return OutputError(
            f"cannot write lines: {self._label}: {cause}: check the program that reads them"
        )


def holds_lines(path: Path) -> bool:
    """Whether a file is empty or begins with a line of this sink."""
    try:
        with path.open("rb") as file:
            first = file.readline(_LONGEST)
        return not first or "time_s" in json.loads(first)
    except (OSError, ValueError, TypeError):
        return False


def _open(target: str | Path | int) -> int:
    if target == STDOUT:
        return os.dup(1)
    if isinstance(target, int):
        return os.dup(target)
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    return os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)


def _rounded(column: Column, value: float | int | bool | None) -> float | int | bool | None:
    return round(value, column.digits) if column.kind == "float" and value is not None else value
