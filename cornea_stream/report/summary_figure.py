"""summary.png: a run in one figure, with measurements over time and some frames."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cornea_stream.errors import OutputError, SourceError, require
from cornea_stream.media.class_name import in_words
from cornea_stream.report.records import Column, Records, load_records
from cornea_stream.report.runs import Run, open_run
from cornea_stream.report.statistics import least_certain, stretches_without_cornea, summarize
from cornea_stream.report.stills import frames_at, zero_of
from cornea_stream.report.wording import clock
from cornea_stream.storage import output_errors, write_file

SHEET = "summary.png"
_SOFTWARE = "cornea-stream"
_COLUMNS = 6
_BINS = 600
# Longer runs are plotted in minutes.
_SECONDS_UNTIL = 180


def write_sheet(folder: str | Path, *, overwrite: bool = False) -> Path:
    """Write summary.png into the folder of a run, replacing an earlier one; return its path.

    It shows the area with stretches without a cornea, confidence and agreement over time, and
    overlay frames: some evenly spread over the run, and the least certain ones.
    Raises SourceError if there is no run or nothing was measured, UsageError without matplotlib,
    and OutputError if the figure cannot be written or a file that is not ours is in its place.
    """
    require("matplotlib", "plots", SHEET)
    check_sheet(Path(folder), overwrite)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    run = open_run(Path(folder))
    records = load_records(run)
    rows = _thumbnails(run, records)
    heights = [4.0, *[1.7] * len(rows)]
    figure = Figure(figsize=(12, sum(heights) + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(run.name, x=0.01, ha="left", weight="bold")
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    area, sureness = parts[0].subplots(2, 1, sharex=True, height_ratios=(3, 2))
    area.set_title(_headline(run, records), loc="left", fontsize="small")
    _draw_area(area, run, records)
    _draw_sureness(sureness, run, records)
    for part, (name, tiles) in zip(parts[1:], rows, strict=True):
        _draw_tiles(part, name, tiles)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110, metadata={"Software": _SOFTWARE})
    path = run.folder / SHEET
    write_file(path, content.getvalue())
    return path


def check_sheet(folder: Path, overwrite: bool) -> None:
    """Raise OutputError if there is a summary.png that cornea-stream did not write."""
    path = folder / SHEET
    if not overwrite and path.exists() and not _is_ours(path):
        raise OutputError(
            f"not a summary of cornea-stream: {path}: pass overwrite=True to replace it, or move it"
        )


def discard_sheet(folder: Path) -> None:
    """Remove the summary of an earlier run; keep any other file. Raises OutputError."""
    path = folder / SHEET
    if path.is_file() and _is_ours(path):
        with output_errors(path):
            path.unlink()


def _is_ours(path: Path) -> bool:
    mark = b"Software\0" + _SOFTWARE.encode()
    with path.open("rb") as file:
        return mark in file.read(1024)


def _thumbnails(run: Run, records: Records) -> list[tuple[str, list[tuple[Any, str]]]]:
    """Return rows of (name, tiles); a tile is an RGB image and its caption."""
    overlay = run.find("overlay.mp4")
    if overlay is None:
        return []
    try:
        zero_s = zero_of(overlay, float(records.time_s[0]))
    except SourceError:
        return []
    even = np.unique(np.linspace(0, len(records) - 1, _COLUMNS).round().astype(int)).tolist()
    doubtful = least_certain(records, _COLUMNS, class_name=run.class_name)
    chosen = {
        "evenly spread": [(row, "") for row in even],
        "least certain": [(moment.row, f", {moment.reason}") for moment in doubtful],
    }
    rows = []
    for name, moments in chosen.items():
        times = [float(records.time_s[row]) for row, _ in moments]
        images = frames_at(overlay, times, zero_s)
        tiles = [
            (image, f"{clock(time_s)}{reason}")
            for image, time_s, (_, reason) in zip(images, times, moments, strict=True)
            if image is not None
        ]
        if tiles:
            rows.append((name, tiles))
    return rows


def _headline(run: Run, records: Records) -> str:
    numbers = summarize(records)
    parts = [
        f"{numbers.frames} frames in {clock(numbers.duration_s)}",
        f"{in_words(run.class_name)} in {numbers.share:.1%}",
        f"median area {numbers.area_px:.0f} px" if numbers.area_px else None,
        f"median confidence {numbers.confidence:.3f}" if numbers.confidence else None,
        f"{numbers.flicker:.1%} of the mask changes per frame" if numbers.flicker else None,
    ]
    return " · ".join(part for part in parts if part)


def _draw_area(axes: Any, run: Run, records: Records) -> None:
    percent = 100 * np.where(records.found, records.area_fraction, np.nan)
    _draw_course(axes, records, percent, "#2a9d8f")
    if records.found.any():
        axes.set_ylim(0, 1.1 * np.nanmax(percent))
    axes.set_ylabel("area, % of frame")
    _shade(axes, run, records)
    _finish(axes, records)
    mm2_per_percent = _mm2_per_percent(run, records)
    if mm2_per_percent:
        right = axes.secondary_yaxis(
            "right", functions=(lambda y: y * mm2_per_percent, lambda y: y / mm2_per_percent)
        )
        right.set_ylabel("mm², estimated")


def _draw_sureness(axes: Any, run: Run, records: Records) -> None:
    confidence = np.where(records.found, records.confidence, np.nan)
    _draw_course(axes, records, confidence, "#264653", "confidence")
    before = np.concatenate([[False], records.found[:-1]])
    agreement = np.where(records.found | before, records.agreement_prev, np.nan)
    _draw_course(axes, records, agreement, "#e76f51", "agreement with previous frame")
    axes.set_ylim(0, 1.04)
    _shade(axes, run, records)
    _finish(axes, records)
    axes.set_xlabel("time in " + ("minutes" if _in_minutes(records) else "seconds"))
    axes.legend(loc="lower left", fontsize="small", ncols=3)


def _draw_tiles(part: Any, name: str, tiles: Sequence[tuple[Any, str]]) -> None:
    part.suptitle(name, x=0.01, ha="left", fontsize="medium")
    places = part.subplots(1, _COLUMNS)
    for axes in places:
        axes.axis("off")
    for axes, (image, caption) in zip(places, tiles, strict=False):
        axes.imshow(image)
        axes.set_title(caption, fontsize="small")


def _draw_course(
    axes: Any, records: Records, values: Column, color: str, label: str | None = None
) -> None:
    """Plot values over time; for long runs, the median with the 5th to 95th percentile."""
    time = _time(records)
    if len(time) <= 2 * _BINS:
        # A single value between two gaps draws no line; in longer runs single frames are invisible.
        marker = "." if len(time) < 60 else None
        axes.plot(time, values, color=color, linewidth=1, label=label, marker=marker)
        return
    groups = np.array_split(np.arange(len(time)), _BINS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a bin without a cornea has no percentile
        low, middle, high = np.transpose([np.nanpercentile(values[g], (5, 50, 95)) for g in groups])
    centers = [time[group].mean() for group in groups]
    axes.fill_between(centers, low, high, color=color, alpha=0.3, linewidth=0)
    axes.plot(centers, middle, color=color, linewidth=1, label=label)


def _shade(axes: Any, run: Run, records: Records) -> None:
    unit = 60 if _in_minutes(records) else 1
    visible_s = records.duration_s / _BINS
    stretches = [
        (begin / unit, (end - begin) / unit)
        for begin, end in stretches_without_cornea(records)
        if end - begin >= visible_s
    ]
    if stretches:
        axes.broken_barh(
            stretches, (0, 1), transform=axes.get_xaxis_transform(), color="0.85", zorder=0,
            label=f"no {in_words(run.class_name)}",
        )  # fmt: skip


def _finish(axes: Any, records: Records) -> None:
    time = _time(records)
    if len(time) > 1:
        axes.set_xlim(time[0], time[-1])
    axes.grid(alpha=0.3)


def _time(records: Records) -> Any:
    return records.time_s / (60 if _in_minutes(records) else 1)


def _in_minutes(records: Records) -> bool:
    return records.duration_s > _SECONDS_UNTIL


def _mm2_per_percent(run: Run, records: Records) -> float | None:
    """Return the mm² in a hundredth of the frame, or None without a pixel spacing."""
    scale = run.record.get("scale") or {}
    known = records.found & (records.area_fraction > 0)
    if not scale.get("mm_per_px") or not known.any():
        return None
    pixels = float(np.median(records.area_px[known] / records.area_fraction[known]))
    return pixels / 100 * float(scale["mm_per_px"]) ** 2 * float(scale["aspect"])
