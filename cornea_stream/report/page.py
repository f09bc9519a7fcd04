"""report.html: a run on one page, with overlay, original and a timeline."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cornea_stream.errors import check_flag, check_path
from cornea_stream.report.files import REPORT, check_replaceable, discard, write_page
from cornea_stream.report.pictures import Pictures, address, choose_pictures, thumbnails
from cornea_stream.report.records import Column, Records, load_records
from cornea_stream.report.runs import Run, open_run
from cornea_stream.report.statistics import (
    Summary,
    least_certain,
    stretches_without_cornea,
    summarize,
)
from cornea_stream.report.wording import clock, details, figures, subtitle
from cornea_stream.storage import RUN_JSON

_STYLES = ("uPlot.min.css", "page.css", "report.css")
_SCRIPTS = ("uPlot.iife.min.js", "stage.js", "timeline.js", "report.js")


@dataclass(frozen=True, slots=True)
class Report:
    """A written page and the statistics of its run."""

    path: Path
    run: Run
    summary: Summary


def write_report(folder: str | Path, *, overwrite: bool = False) -> Report:
    """Write report.html into the folder of a run, replacing an earlier one.

    Raises SourceError if there is no run or nothing was measured, and OutputError if the page
    cannot be written, or a report.html exists that is not ours and `overwrite` is not set.
    """
    check_path("folder", folder, "the folder of a run")
    check_flag("overwrite", overwrite)
    run = open_run(Path(folder))
    records = load_records(run)
    summary = summarize(records)
    pictures = choose_pictures(run, records)
    context = {
        "run": run,
        "structure": run.class_name,
        "subtitle": subtitle(run),
        "files": outputs(run),
        "figures": figures(run, summary),
        "details": details(run),
        "warnings": [str(text) for text in run.record.get("warnings", [])],
        "pictures": pictures,
        "moments": [] if pictures.still else _moments(run, records, pictures),
        "timeline": len(records) > 1,
        "data": _data(run, records, pictures),
    }
    path = write_page(
        run.folder / REPORT, "report.html.j2", context,
        styles=_STYLES, scripts=_SCRIPTS, overwrite=overwrite,
    )  # fmt: skip
    return Report(path, run, summary)


def check_report(folder: Path, overwrite: bool) -> None:
    """Raise OutputError if there is a report.html that cornea-stream did not write."""
    check_replaceable(folder / REPORT, overwrite)


def discard_report(folder: Path) -> None:
    """Remove the report of an earlier run, whose outputs have been replaced."""
    discard(folder / REPORT)


def outputs(run: Run) -> list[tuple[str, str]]:
    """Return the name and URL of each output that exists."""
    names = ["overlay.mp4", "overlay.png", "mask.mkv", "mask.png", "frames", "metrics.csv"]
    found = [run.folder / name for name in names if run.made(name)] + [run.folder / RUN_JSON]
    return [(path.name, address(run.folder, path)) for path in found if path.exists()]


def _moments(run: Run, records: Records, pictures: Pictures) -> list[dict[str, Any]]:
    chosen = least_certain(records, class_name=run.class_name)
    times = [float(records.time_s[moment.row]) for moment in chosen]
    images = thumbnails(pictures.shown, times) if pictures.shown else [None] * len(times)
    return [
        {**asdict(moment), "clock": clock(time_s), "image": image}
        for moment, time_s, image in zip(chosen, times, images, strict=True)
    ]


def _data(run: Run, records: Records, pictures: Pictures) -> dict[str, Any]:
    """Return the data for the page's script, with numbers as short as possible."""
    shown = records.found
    columns = {
        "area_px": _short(records.area_px, 0, shown),
        "movement_px": _short(records.movement_px, 1, shown),
        "confidence": _short(records.confidence, 3, shown),
        "agreement_prev": _short(records.agreement_prev, 3, shown),
    }
    return {
        "overlay": _place(pictures, "overlay"),
        "original": _place(pictures, "original"),
        "frame": [int(index) for index in records.frame],
        "time_s": [round(float(time_s), 3) for time_s in records.time_s],
        # A column without values gets no chart.
        "columns": {k: v for k, v in columns.items() if any(x is not None for x in v)},
        "absent_s": _rounded(stretches_without_cornea(records)),
        "damaged_s": _rounded(run.record.get("damaged_s", [])),
    }


def _short(values: Column, digits: int, shown: np.ndarray[Any, np.dtype[np.bool_]]) -> list[Any]:
    """Return the values of frames with a cornea; None for all others and for unknown values."""
    known = shown & np.isfinite(values)
    return [
        (round(value, digits) if digits else int(value)) if good else None
        for value, good in zip(values.tolist(), known.tolist(), strict=True)
    ]


def _rounded(stretches: Any) -> list[tuple[float, float]]:
    return [(round(float(first), 3), round(float(last), 3)) for first, last in stretches]


def _place(pictures: Pictures, which: str) -> dict[str, Any] | None:
    picture = getattr(pictures, which)
    return picture and {"url": picture.url, "zero_s": round(picture.zero_s, 6)}
