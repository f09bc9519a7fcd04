"""The benchmark as a bar chart."""

from __future__ import annotations

from pathlib import Path

from cornea_stream.diagnostics.benchmark.harness import Benchmark
from cornea_stream.errors import UsageError


def plot(found: Benchmark, path: Path) -> None:
    """Write a bar chart of the speed of all stages, with the bound. Raises UsageError."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as err:
        raise UsageError("the chart needs matplotlib: pip install 'cornea-stream[plots]'") from err
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    names = [*(s.name for s in found.stages), "end to end"]
    values = [*(s.fps for s in found.stages), found.end_to_end_fps]
    if found.baseline_fps:
        names.append("plain loop")
        values.append(found.baseline_fps)
    bars = axes.barh(names[::-1], values[::-1], color="#2a9d8f")
    axes.bar_label(bars, fmt="%.1f", padding=3)
    axes.axvline(found.bound_fps, color="#e76f51", linestyle="--", label="bound")
    axes.set_xscale("log")
    axes.set_xlabel("frames per second, each stage alone")
    axes.set_title(
        f"{found.width}×{found.height}, {found.engine['backend']} {found.engine['precision']}"
    )
    axes.legend()
    figure.savefig(path, dpi=110)
