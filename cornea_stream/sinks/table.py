"""metrics.csv and metrics.parquet: one row of measurements per frame."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.media.frame import Image
from cornea_stream.postprocess.mask import iou
from cornea_stream.postprocess.measurement import measure
from cornea_stream.postprocess.pixel_spacing import MAX_SPREAD, Scale, WhiteToWhite
from cornea_stream.sinks.base import SegmentationSink, SinkResult
from cornea_stream.sinks.measurement_columns import (
    COLUMNS,
    MM_COLUMNS,
    Column,
    Row,
    measured,
    millimeters,
)
from cornea_stream.sinks.parquet import ParquetTable
from cornea_stream.storage import complete, output_errors, part_path

CSV_COLUMNS = tuple(column.name for column in COLUMNS)


class Table(Protocol):
    """A table that grows in a .part file. Every method raises OutputError."""

    def write(self, row: Row) -> None:
        """Add a row."""
        ...

    def widen(self, columns: Sequence[Column], values: Callable[[Row], Row]) -> None:
        """Add columns computed from the existing rows; no more rows can be added."""
        ...

    def close(self) -> None:
        """Complete the table and put it under its final name."""
        ...

    def abort(self) -> None:
        """Close the .part file, which remains; must not raise."""
        ...


class CsvTable:
    """Comma-separated values; numbers with the digits of their column, empty for None."""

    def __init__(self, path: Path, columns: Sequence[Column], *, rounded: bool = True) -> None:
        """Open the table; one that will be widened must not be `rounded`. Raises OutputError."""
        self.path, self._columns = path, tuple(columns)
        self._text = _rounded if rounded else _exact
        with output_errors(path):
            # Row by row, so that others can follow the table while it grows.
            self._file = part_path(path).open("w", buffering=1, newline="", encoding="utf-8")
            self._rows = csv.writer(self._file)
            self._rows.writerow(column.name for column in columns)

    def write(self, row: Row) -> None:
        """Add a row. Raises OutputError."""
        with output_errors(self.path):
            self._rows.writerow(map(self._text, self._columns, row))

    def widen(self, columns: Sequence[Column], values: Callable[[Row], Row]) -> None:
        """Add columns computed from the existing rows. Raises OutputError."""
        with output_errors(self.path):
            self._file.close()
            wider = CsvTable(part_path(self.path), (*self._columns, *columns))
            for row in self._read():
                wider.write((*row, *values(row)))
            wider.close()

    def close(self) -> None:
        """Complete the table. Raises OutputError."""
        with output_errors(self.path):
            self._file.close()
        complete(self.path)

    def abort(self) -> None:
        """Close the .part file, which remains."""
        with contextlib.suppress(OSError):
            self._file.close()

    def _read(self) -> Iterator[Row]:
        with part_path(self.path).open(newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            next(rows)
            for row in rows:
                yield tuple(map(_value, self._columns, row))


class Measuring:
    """Measures frames one after another; `warnings` name what affects comparisons."""

    def __init__(self, white_to_white: WhiteToWhite | None) -> None:
        self.warnings: list[str] = []
        self._white_to_white = white_to_white
        self._previous: Image | None = None

    def row(self, segmentation: Segmentation) -> tuple[Row, float | None]:
        """Return the values of COLUMNS, and the axis to use for white-to-white, if any."""
        mask = segmentation.mask
        found = measure(mask)
        row = measured(segmentation, found, self._agreement(mask))
        self._previous = mask
        if found is None or self._white_to_white is None:
            return row, None
        return row, self._white_to_white.axis(mask, found, segmentation.confidence)

    def _agreement(self, mask: Image) -> float | None:
        """Return the IoU with the previous mask; None for the first, and if the size changed."""
        previous = self._previous
        if previous is None:
            return None
        if previous.shape != mask.shape:
            warning = "the frame size changed, and with it the measurements in pixels"
            if warning not in self.warnings:
                self.warnings.append(warning)
            return None
        return iou(previous, mask)


class MetricsTables:
    """Writes rows of measurements to tables.

    With a `scale`, columns in millimeters follow those in pixels. If it is given, they are written
    with every row; if it is estimated from the width of the cornea, when the tables are completed.
    """

    def __init__(self, paths: Sequence[Path], scale: Scale | WhiteToWhite | None = None) -> None:
        """Open the tables; the suffix, .csv or .parquet, sets the format. Raises OutputError."""
        self.scale = scale if isinstance(scale, Scale) else None
        self.warnings: list[str] = []
        self._white_to_white = scale if isinstance(scale, WhiteToWhite) else None
        self._in_mm = millimeters(self.scale) if self.scale else None
        self._tables: list[Table] = []
        self._open = True
        columns = (*COLUMNS, *MM_COLUMNS) if self._in_mm else COLUMNS
        try:
            for path in paths:
                if path.suffix == ".parquet":
                    self._tables.append(ParquetTable(path, columns))
                else:
                    rounded = self._white_to_white is None
                    self._tables.append(CsvTable(path, columns, rounded=rounded))
        except BaseException:
            self.abort()
            raise

    def write(self, row: Row, axis: float | None) -> None:
        """Add the row of one frame from `Measuring`. Raises OutputError."""
        if self._in_mm:
            row = (*row, *self._in_mm(row))
        elif self._white_to_white:
            self._white_to_white.note(axis)
        for table in self._tables:
            table.write(row)

    def close(self) -> None:
        """Complete the tables. Raises OutputError."""
        if not self._open:
            return
        if self._white_to_white:
            self.scale = scale = self._white_to_white.scale()
            self._judge(scale)
            for table in self._tables:
                table.widen(MM_COLUMNS, millimeters(scale))
        for table in self._tables:
            table.close()
        self._open = False

    def abort(self) -> None:
        """Close the .part files, which remain."""
        for table in self._tables if self._open else ():
            table.abort()

    def _judge(self, scale: Scale) -> None:
        if scale.mm_per_px is None:
            self.warnings.append(
                "no frame clearly shows a whole cornea from the front: the columns in millimeters "
                "are empty: give mm_per_px"
            )
        elif scale.spread is not None and scale.spread > MAX_SPREAD:
            self.warnings.append(
                f"the size of the cornea varies by {scale.spread:.0%} (zoom?): one pixel spacing "
                "does not fit all frames: run stretches of constant zoom separately"
            )


class MetricsSink(SegmentationSink):
    """Measures every mask and writes a row to all tables; see `MetricsTables` for `scale`."""

    name = "metrics"

    def __init__(self, paths: Sequence[Path], scale: Scale | WhiteToWhite | None = None) -> None:
        """Open the tables. Raises OutputError."""
        self._measuring = Measuring(scale if isinstance(scale, WhiteToWhite) else None)
        self._tables = MetricsTables(paths, scale)

    @property
    def result(self) -> SinkResult:
        """The pixel spacing, once it is known."""
        return SinkResult(scale=self._tables.scale)

    @property
    def warnings(self) -> list[str]:
        """Limitations of the measurements."""
        return [*self._measuring.warnings, *self._tables.warnings]

    def write(self, segmentation: Segmentation) -> None:
        """Add the row of one frame. Raises OutputError."""
        self._tables.write(*self._measuring.row(segmentation))

    def close(self) -> None:
        """Complete the tables. Raises OutputError."""
        self._tables.close()

    def abort(self) -> None:
        """Close the .part files, which remain."""
        self._tables.abort()


def _rounded(column: Column, value: float | int | bool | None) -> str:
    if value is None:
        return ""
    return f"{value:.{column.digits}f}" if column.kind == "float" else str(int(value))


def _exact(column: Column, value: float | int | bool | None) -> str:
    if value is None:
        return ""
    return repr(float(value)) if column.kind == "float" else str(int(value))


def _value(column: Column, text: str) -> float | int | bool | None:
    if not text:
        return None
    return float(text) if column.kind == "float" else int(text)
