"""metrics.parquet: rows in groups, with units and descriptions in the field metadata."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cornea_stream.sinks.measurement_columns import Column, Row
from cornea_stream.storage import complete, output_errors, part_path

GROUP_ROWS = 8192
"""Number of rows buffered in memory before they are written: five minutes at 30 fps."""


class ParquetTable:
    """A Parquet file that grows by row groups; it is only readable when complete."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        """Open the table. Raises OutputError."""
        import pyarrow.parquet

        self.path, self._columns = path, tuple(columns)
        self._schema = _schema(columns)
        self._waiting: list[Row] = []
        with output_errors(path):
            self._file = part_path(path).open("wb")
            self._writer = pyarrow.parquet.ParquetWriter(
                self._file, self._schema, compression="zstd"
            )

    def write(self, row: Row) -> None:
        """Add a row. Raises OutputError."""
        self._waiting.append(row)
        if len(self._waiting) == GROUP_ROWS:
            self._flush()

    def widen(self, columns: Sequence[Column], values: Callable[[Row], Row]) -> None:
        """Add columns computed from the existing rows. Raises OutputError."""
        self._finish()
        with output_errors(self.path):
            wider = ParquetTable(part_path(self.path), (*self._columns, *columns))
            for row in self._read():
                wider.write((*row, *values(row)))
            wider.close()

    def close(self) -> None:
        """Complete the table. Raises OutputError."""
        self._finish()
        complete(self.path)

    def abort(self) -> None:
        """Close the .part file, which remains."""
        with contextlib.suppress(OSError):
            self._file.close()

    def _flush(self) -> None:
        import pyarrow

        values = zip(*self._waiting, strict=True)
        arrays = [
            pyarrow.array(column, type=field.type)
            for column, field in zip(values, self._schema, strict=True)
        ]
        with output_errors(self.path):
            self._writer.write_table(pyarrow.Table.from_arrays(arrays, schema=self._schema))
        self._waiting.clear()

    def _finish(self) -> None:
        if self._file.closed:
            return
        if self._waiting:
            self._flush()
        with output_errors(self.path):
            self._writer.close()
            self._file.close()

    def _read(self) -> Iterator[Row]:
        import pyarrow.parquet

        with pyarrow.parquet.ParquetFile(part_path(self.path)) as file:
            for batch in file.iter_batches(batch_size=GROUP_ROWS):
                yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _schema(columns: Sequence[Column]) -> Any:
    import pyarrow

    types = {"bool": pyarrow.bool_(), "int": pyarrow.int64(), "float": pyarrow.float64()}
    return pyarrow.schema(
        pyarrow.field(
            column.name,
            types[column.kind],
            metadata={"unit": column.unit, "description": column.meaning},
        )
        for column in columns
    )
