"""How the result of a run shows itself in notebooks: a frame of the overlay, and numbers."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from cornea_stream.errors import CorneaStreamError
from cornea_stream.inference.display import image_tag, png, table
from cornea_stream.media.frame import Image
from cornea_stream.report.records import load_records
from cornea_stream.report.runs import open_run
from cornea_stream.report.statistics import summarize
from cornea_stream.report.wording import figures
from cornea_stream.sources import VideoSource, open_source

if TYPE_CHECKING:
    from cornea_stream.runs.result import RunResult


def result_html(result: RunResult) -> str:
    """Return a frame and the essentials of a run as HTML."""
    image = _frame(result)
    values: dict[str, object] = {
        "source": result.source,
        "status": result.status,
        "frames": result.frames,
        "speed": f"{result.fps:.1f} frames per second" if result.frames else None,
        "error": result.error,
        **_measured(result),
        "damaged": f"{len(result.damaged_s)} stretches" if result.damaged_s else None,
        "warnings": "; ".join(result.warnings) or None,
        "folder": result.folder or None,
        "outputs": ", ".join(result.outputs) or None,
    }
    return ("" if image is None else image_tag(image)) + table(values)


def result_png(result: RunResult) -> bytes | None:
    """Return a frame of the overlay as PNG, or None if there is none."""
    image = _frame(result)
    return None if image is None else png(image)


def _frame(result: RunResult) -> Image | None:
    """Return the frame in the middle of the overlay, if it was written."""
    for name in ("overlay.mp4", "overlay.png"):
        if name in result.outputs:
            path = Path(result.folder) / name
            with contextlib.suppress(CorneaStreamError), open_source(path) as source:
                if isinstance(source, VideoSource):
                    return source.frame_at((source.info.duration_s or 0.0) / 2).rgb()
                return next(iter(source)).rgb()
    return None


def _measured(result: RunResult) -> dict[str, object]:
    """Return the headline numbers of the report, if a table was written."""
    if "metrics.csv" not in result.outputs:
        return {}
    with contextlib.suppress(CorneaStreamError):
        run = open_run(Path(result.folder))
        return {figure.name: figure.value for figure in figures(run, summarize(load_records(run)))}
    return {}
