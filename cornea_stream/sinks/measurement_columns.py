"""The columns of the table of measurements: name, type, unit and description."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.postprocess.measurement import Measurement
from cornea_stream.postprocess.pixel_spacing import Scale, square_axes

Row: TypeAlias = "tuple[float | int | bool | None, ...]"
"""One value per column; None if unknown."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `digits` is the number of decimals in text."""

    name: str
    kind: Literal["bool", "int", "float"]
    unit: str
    meaning: str
    digits: int = 0


COLUMNS = (
    Column("frame", "int", "", "number of the frame, counted from 0 where reading began"),
    Column("time_s", "float", "s", "presentation time in the source", 6),
    Column("present", "bool", "", "whether there is a cornea"),
    Column("area_px", "int", "px²", "area of the mask, of its largest region"),
    Column("area_fraction", "float", "1", "area as a fraction of the frame", 6),
    Column("centroid_x", "float", "px", "x of the centroid", 2),
    Column("centroid_y", "float", "px", "y of the centroid", 2),
    Column("major_axis_px", "float", "px", "major axis of the fitted ellipse", 2),
    Column("minor_axis_px", "float", "px", "minor axis of the fitted ellipse", 2),
    Column(
        "angle_deg",
        "float",
        "°",
        "direction of the major axis, clockwise from the x axis, 0 to 180",
        2,
    ),
    Column("confidence", "float", "1", "mean probability in the region the network found", 4),
    Column("agreement_prev", "float", "1", "IoU with the mask of the previous row", 4),
)
MM_COLUMNS = (
    Column("area_mm2", "float", "mm²", "area of the mask, estimated", 3),
    Column("major_axis_mm", "float", "mm", "major axis, estimated", 3),
    Column("minor_axis_mm", "float", "mm", "minor axis, estimated", 3),
    Column(
        "movement_mm",
        "float",
        "mm",
        "movement of the centroid since the previous row, estimated",
        4,
    ),
)
_PLACE = {column.name: place for place, column in enumerate(COLUMNS)}


def measured(segmentation: Segmentation, found: Measurement | None, agreement: float | None) -> Row:
    """Return the values of COLUMNS for one frame; without a cornea, the geometry is None."""
    frame = segmentation.frame
    geometry: Row = (False, 0, 0.0, *[None] * 5)
    if found is not None:
        geometry = (
            True, found.area_px, found.area_fraction, found.centroid_x, found.centroid_y,
            found.major_axis_px, found.minor_axis_px, found.angle_deg,
        )  # fmt: skip
    return (frame.index, frame.time_s, *geometry, segmentation.confidence, agreement)


def millimeters(scale: Scale) -> Callable[[Row], Row]:
    """Return a function that converts consecutive rows of COLUMNS to values of MM_COLUMNS."""
    size, aspect = scale.mm_per_px, scale.aspect
    before: tuple[float, float] | None = None

    def convert(row: Row) -> Row:
        nonlocal before
        area, x, y, major, minor, angle = (
            row[_PLACE[name]]
            for name in ("area_px", "centroid_x", "centroid_y", "major_axis_px", "minor_axis_px",
                         "angle_deg")
        )  # fmt: skip
        if size is None:
            return (None,) * len(MM_COLUMNS)
        assert area is not None
        area_mm2 = area * aspect * size**2
        if x is None or y is None or major is None or minor is None or angle is None:
            before = None
            return (area_mm2, None, None, None)
        longer, shorter = square_axes(major, minor, angle, aspect)
        movement = None
        if before is not None:
            movement = math.hypot((x - before[0]) * aspect, y - before[1]) * size
        before = (x, y)
        return (area_mm2, longer * size, shorter * size, movement)

    return convert
