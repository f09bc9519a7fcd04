"""metrics.csv: one row per frame."""

from __future__ import annotations

import contextlib
import csv
from pathlib import Path

from cornea_stream.frames import Image, Segmentation
from cornea_stream.mask import iou
from cornea_stream.measurement import Measurement, measure
from cornea_stream.sinks.files import complete, output_errors, part_path

CSV_COLUMNS = (
    "frame",
    "time_s",
    "present",
    "area_px",
    "area_fraction",
    "centroid_x",
    "centroid_y",
    "major_axis_px",
    "minor_axis_px",
    "angle_deg",
    "confidence",
    "agreement_prev",
)


class MetricsSink:
    """Writes the measurements of every mask; geometry is empty where there is no cornea.

    `agreement_prev` is the IoU with the mask of the frame before; empty on the first.
    """

    def __init__(self, path: Path) -> None:
        """Open the table. Raises OutputError."""
        self.path = path
        self._previous: Image | None = None
        with output_errors(path):
            self._file = part_path(path).open("w", newline="", encoding="utf-8")
            self._rows = csv.writer(self._file)
            self._rows.writerow(CSV_COLUMNS)

    def write(self, segmentation: Segmentation) -> None:
        """Add the row of one frame. Raises OutputError."""
        frame, mask = segmentation.frame, segmentation.mask
        row = [
            str(frame.index),
            f"{frame.time_s:.6f}",
            *_geometry(measure(mask)),
            f"{segmentation.confidence:.4f}",
            self._agreement(mask),
        ]
        with output_errors(self.path):
            self._rows.writerow(row)
        self._previous = mask

    def close(self) -> None:
        """Complete the table. Raises OutputError."""
        if not self._file.closed:
            with output_errors(self.path):
                self._file.close()
            complete(self.path)

    def abort(self) -> None:
        """Close the part file; it stays beside the final name."""
        with contextlib.suppress(OSError):
            self._file.close()

    def _agreement(self, mask: Image) -> str:
        previous = self._previous
        if previous is None or previous.shape != mask.shape:
            return ""
        return f"{iou(previous, mask):.4f}"


def _geometry(found: Measurement | None) -> list[str]:
    if found is None:
        return ["0", "0", "0.000000", *[""] * 5]
    lengths = (
        found.centroid_x,
        found.centroid_y,
        found.major_axis_px,
        found.minor_axis_px,
        found.angle_deg,
    )
    return ["1", str(found.area_px), f"{found.area_fraction:.6f}", *(f"{v:.2f}" for v in lengths)]
