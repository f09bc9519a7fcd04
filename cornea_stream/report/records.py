"""A run's measurements as columns: read from metrics.csv, or measured again from the masks."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cornea_stream.errors import SourceError
from cornea_stream.media.frame import Image
from cornea_stream.media.orientation import upright
from cornea_stream.postprocess.mask import iou
from cornea_stream.postprocess.measurement import measure
from cornea_stream.report.runs import Run
from cornea_stream.sources import open_source
from cornea_stream.storage import is_mixed

Column = NDArray[np.float64]
_COLUMNS = (
    "frame",
    "time_s",
    "present",
    "area_px",
    "area_fraction",
    "centroid_x",
    "centroid_y",
    "confidence",
    "agreement_prev",
)
_NAN = float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """One value per frame in each column, (N,) float64 with N >= 1; NaN means unknown.

    `time_s` is the time in the source and increases. `present` is 0 or 1.
    """

    frame: Column
    time_s: Column
    present: Column
    area_px: Column
    area_fraction: Column
    centroid_x: Column
    centroid_y: Column
    confidence: Column
    agreement_prev: Column

    def __len__(self) -> int:
        return len(self.time_s)

    @property
    def found(self) -> NDArray[np.bool_]:
        """(N,) whether there is a cornea."""
        return self.present > 0

    @property
    def movement_px(self) -> Column:
        """(N,) distance of the centroid from that of the previous row; NaN if either is missing."""
        steps = np.hypot(np.diff(self.centroid_x), np.diff(self.centroid_y))
        return np.concatenate([[_NAN], steps])

    @property
    def frame_s(self) -> float:
        """Median seconds between rows; 0 for a single row."""
        return float(np.median(np.diff(self.time_s))) if len(self) > 1 else 0.0

    @property
    def duration_s(self) -> float:
        """Seconds from the first row to the end of the last one."""
        return float(self.time_s[-1] - self.time_s[0]) + self.frame_s


def load_records(run: Run) -> Records:
    """Return the run's measurements; an incomplete table gives the rows it has.

    Without metrics.csv they are measured from the mask video, which has no confidence.
    Raises SourceError if both are missing, or the file is empty or belongs to another run.
    """
    if is_mixed(run.folder):
        raise SourceError(
            f"the outputs of two runs are mixed: {run.folder}: a later run was interrupted before "
            "it replaced all of them, or is still running: run again with resume=True"
        )
    table = run.find("metrics.csv")
    if table:
        rows = _read_table(table)
    elif masks := run.find("mask.mkv", "mask.png"):
        rows = _measure_masks(masks, run.start_s)
    else:
        raise SourceError(
            f"nothing was measured: {run.folder}: there is no metrics.csv and no mask.mkv: run "
            "again with metrics=True and overwrite=True"
        )
    # Not a list of lists: for two hours of video, that would take 200 MiB.
    values = np.fromiter(rows, np.dtype((np.float64, len(_COLUMNS))))
    if not len(values):
        raise SourceError(
            f"no frames were measured: {table or masks}: run again with overwrite=True"
        )
    return Records(*values.T)


def _read_table(path: Path) -> Iterator[list[float]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            table = csv.reader(file)
            heading = next(table, [])
            places = [heading.index(name) for name in _COLUMNS]
            for row in table:
                if len(row) <= max(places) and next(table, None) is None:
                    return  # the run was killed while writing it
                yield [_number(row[place]) for place in places]
    except (OSError, ValueError, IndexError) as err:
        raise SourceError(
            f"not a table of measurements: {path}: {err}: run again with metrics=True and "
            "overwrite=True"
        ) from err


def _number(text: str) -> float:
    return float(text) if text else _NAN


def _measure_masks(path: Path, start_s: float) -> Iterator[list[float]]:
    previous: Image | None = None
    with open_source(path) as source:
        start_s += source.info.start_time_s
        for frame in source:
            gray = np.asarray(frame.video.to_ndarray(format="gray"), np.uint8)
            mask = upright(gray, frame.orientation)
            found = measure(mask)
            agreement = _NAN if previous is None else iou(previous, mask)
            yield [
                frame.index,
                start_s + frame.time_s,
                found is not None,
                found.area_px if found else 0,
                found.area_fraction if found else 0,
                found.centroid_x if found else _NAN,
                found.centroid_y if found else _NAN,
                _NAN,
                agreement,
            ]
            previous = mask
