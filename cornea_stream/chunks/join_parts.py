"""Joins the parts of a video: one video, one table, one folder of PNGs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from cornea_stream.chunks.concatenate_videos import Piece, concatenate
from cornea_stream.chunks.parts import ROWS, VIDEOS, Part, part_name
from cornea_stream.chunks.rows import read_rows
from cornea_stream.media.frame import MediaInfo
from cornea_stream.postprocess.pixel_spacing import choose_scale
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.result import RunResult
from cornea_stream.sinks.png import FrameNumbers, frame_files
from cornea_stream.sinks.polygons import polygon_line
from cornea_stream.sinks.table import MetricsTables
from cornea_stream.storage import complete, output_errors, part_path


def join(
    parts: Sequence[Part],
    moved: Sequence[int],
    result: RunResult,
    info: MediaInfo,
    options: RunOptions,
) -> None:
    """Write the outputs of `result` from parts whose frame numbers are shifted by `moved`.

    Adds warnings and scale to `result`. The parts are kept, except for their PNGs, which are moved.
    An interrupted join can be repeated. Raises OutputError.
    """
    folder = Path(result.folder)
    warnings: list[str] = []
    for name in (name for name in VIDEOS if name in result.outputs):
        pieces = [Piece(part.folder / part_name(name), part.chunk.start) for part in parts]
        warnings += concatenate(
            pieces, folder / name, info, audio=name == "overlay.mp4",
            offset_s=options.reading.start_s or 0.0, end_s=options.reading.end_s,
        )  # fmt: skip
    for part in parts:
        warnings += [text.replace(part_name("mask.mkv"), "mask.mkv") for text in part.warnings]
    tables = [folder / name for name in result.outputs if part_name(name) == ROWS]
    if tables:
        scale = choose_scale(options.white_to_white_mm, options.mm_per_px, info)
        joined = MetricsTables(tables, scale)
        _join_rows(parts, moved, joined, options.every)
        result.scale, warnings = joined.scale, [*warnings, *joined.warnings]
    if "polygons.jsonl" in result.outputs:
        _join_polygons(parts, moved, folder / "polygons.jsonl")
    if "frames" in result.outputs:
        _move_pngs(parts, moved, folder / "frames", options)
    result.warnings += dict.fromkeys(warnings)


def _join_rows(
    parts: Sequence[Part], moved: Sequence[int], tables: MetricsTables, every: int
) -> None:
    """Write the rows of all parts, renumbered and without context."""
    try:
        for part, step in zip(parts, moved, strict=True):
            own = part.numbers(every)
            with output_errors(part.folder / ROWS):
                for (number, *values), axis in read_rows(part.folder / ROWS):
                    if number in own:
                        tables.write((int(number or 0) + step, *values), axis)
        tables.close()
    except BaseException:
        tables.abort()
        raise


def _join_polygons(parts: Sequence[Part], moved: Sequence[int], path: Path) -> None:
    with output_errors(path), part_path(path).open("w", encoding="utf-8") as joined:
        for part, step in zip(parts, moved, strict=True):
            with (part.folder / path.name).open(encoding="utf-8") as lines:
                for told in map(json.loads, lines):
                    joined.write(polygon_line({**told, "frame": told["frame"] + step}))
    complete(path)


def _move_pngs(
    parts: Sequence[Part], moved: Sequence[int], folder: Path, options: RunOptions
) -> None:
    """Move the PNGs of all parts into `folder`, renumbered; an earlier try may be unfinished."""
    written = FrameNumbers()
    with output_errors(folder):
        folder.mkdir(exist_ok=True)
        for part, step in zip(parts, moved, strict=True):
            for number in part.numbers(options.every):
                for old, new in zip(frame_files(number), frame_files(number + step), strict=True):
                    if (file := part.folder / folder.name / old).exists():
                        file.replace(folder / new)
                written.add(number + step)
    options.frame_pngs.remove_others(folder, written)
