"""polygons.jsonl: the contours of every mask, one line of JSON per frame."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.postprocess.contours import pixel_outlines
from cornea_stream.sinks.base import SegmentationSink
from cornea_stream.storage import complete, output_errors, part_path


def polygon_line(record: dict[str, Any]) -> str:
    """Return the line for a frame."""
    return json.dumps(record, separators=(",", ":")) + "\n"


class PolygonSink(SegmentationSink):
    """Writes `{"frame": 0, "time_s": 0.0, "polygons": [[[x, y], …], …]}` for every frame.

    Points are centers of border pixels in the upright frame. Holes are omitted. The list is empty
    if there is no cornea.
    """

    name = "polygons"

    def __init__(self, path: Path) -> None:
        """Open the file. Raises OutputError."""
        self.path = path
        with output_errors(path):
            self._file = part_path(path).open("w", buffering=1, encoding="utf-8")

    def write(self, segmentation: Segmentation) -> None:
        """Add the line of one frame. Raises OutputError."""
        outlines = pixel_outlines(segmentation.mask)
        line = {
            "frame": segmentation.frame.index,
            "time_s": round(segmentation.frame.time_s, 6),
            "polygons": [points.astype(int).tolist() for points in outlines],
        }
        with output_errors(self.path):
            self._file.write(polygon_line(line))

    def close(self) -> None:
        """Complete the file. Raises OutputError."""
        if not self._file.closed:
            with output_errors(self.path):
                self._file.close()
            complete(self.path)

    def abort(self) -> None:
        """Close the .part file, which remains."""
        with contextlib.suppress(OSError):
            self._file.close()
