"""Bar charts of frames per second."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def draw(tables: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Write a PNG with one panel of bars for each table of frames per second."""
    rows = (len(tables) + 1) // 2
    figure = Figure(figsize=(9, 2.4 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, 2, squeeze=False).flat
    for (name, speeds), axes in zip(tables.items(), panels, strict=False):
        bars = axes.barh(list(speeds), list(speeds.values()), color="#2a9d8f")
        axes.bar_label(bars, fmt="%.0f", padding=3)
        axes.margins(x=0.2)
        axes.invert_yaxis()
        axes.set_title(name)
        axes.set_xlabel("frames per second")
    for axes in panels:  # what is left of them
        axes.remove()
    figure.savefig(path, dpi=100)
