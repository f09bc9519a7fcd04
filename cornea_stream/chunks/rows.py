"""Unrounded rows of measurements, from which tables are written later."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.postprocess.pixel_spacing import Scale, WhiteToWhite
from cornea_stream.sinks.base import SegmentationSink
from cornea_stream.sinks.measurement_columns import Row
from cornea_stream.sinks.table import Measuring
from cornea_stream.storage import complete, output_errors, part_path


class RowsSink(SegmentationSink):
    """Writes a line of JSON for every frame: its unrounded row and its axis."""

    name = "metrics"

    def __init__(self, path: Path, scale: Scale | WhiteToWhite | None = None) -> None:
        """Open the file. Raises OutputError."""
        self.path = path
        self._measuring = Measuring(scale if isinstance(scale, WhiteToWhite) else None)
        with output_errors(path):
            self._file = part_path(path).open("w", encoding="utf-8")

    @property
    def warnings(self) -> list[str]:
        """Limitations of the measurements."""
        return self._measuring.warnings

    def write(self, segmentation: Segmentation) -> None:
        """Add the row of one frame. Raises OutputError."""
        line = json.dumps(self._measuring.row(segmentation))
        with output_errors(self.path):
            self._file.write(line + "\n")

    def close(self) -> None:
        """Complete the file. Raises OutputError."""
        with output_errors(self.path):
            self._file.close()
        complete(self.path)

    def abort(self) -> None:
        """Close the .part file, which remains."""
        with contextlib.suppress(OSError):
            self._file.close()


def read_rows(path: Path) -> Iterator[tuple[Row, float | None]]:
    """Yield the row and axis of every frame."""
    with path.open(encoding="utf-8") as file:
        for row, axis in map(json.loads, file):
            yield tuple(row), axis
