"""Write benchmarks/README.md: tables of the results, and how to repeat them.

python -m benchmarks.page
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
HEAD = """# Benchmarks

Written by `python -m benchmarks.page` from the files in `results/`; every file names its
machine and versions. Machines are noisy: compare within a table, and between tables not at all.
The scripts run from the repository root with the development install of the README; VIDEO is any
surgery video. `cornea-stream benchmark VIDEO --baseline` measures your own machine.
"""


def read(name: str) -> dict[str, Any] | None:
    """Return a result, or None where there is none yet."""
    path = HERE / "results" / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def table(headings: list[str], rows: list[list[object]]) -> str:
    """Return a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def peers(result: Mapping[str, Any]) -> str:
    """Return a table of speeds for every input size of the network."""
    parts = []
    for title, found in result.items():
        if title.startswith("network input"):
            fps, times = found["median_fps"], found["times_the_plain_loop"]
            rows = [[name, fps[name], times[name]] for name in sorted(fps, key=fps.__getitem__)]
            parts += [f"**{title}**", table(["", "fps", "times the plain loop"], rows)]
    return "\n\n".join(parts)


def scaling(result: Mapping[str, Any]) -> str:
    """Return a table for each thing that was varied."""
    parts = []
    for name in ("length", "resolution", "batch", "cores"):
        rows = [[label, fps] for label, fps in result[name].items()]
        parts.append(table([name, "fps"], rows))
    return "\n\n".join(parts)


def agreement(result: Mapping[str, Any]) -> str:
    """Return a table of engines."""
    rows = [[name, s["mean_iou"], s["lowest_iou"]] for name, s in result["engines"].items()]
    return table(["engine", "mean IoU with fp32", "lowest of a frame"], rows)


def efficiency(result: Mapping[str, Any]) -> str:
    """Return a table of whole runs, and one of their stages."""
    runs = result["runs"]
    names = [stage["name"] for stage in next(iter(runs.values()))["stages"]]
    whole = [
        [name, f"{r['end_to_end_fps']:.1f}", f"{r['bound_fps']:.1f}", f"{r['efficiency']:.2f}"]
        for name, r in runs.items()
    ]
    stages = [[name, *(f"{s['cpu_ms']:.2f}" for s in r["stages"])] for name, r in runs.items()]
    return "\n\n".join(
        [
            table(["", "fps end to end", "bound", "efficiency"], whole),
            "CPU milliseconds of a frame in each stage alone:",
            table(["", *names], stages),
        ]
    )


def latency(result: Mapping[str, Any]) -> str:
    """Return a table of engines."""
    rows = [
        [f"{e['backend']} {e['precision']}", e["p50_ms"], e["p95_ms"], e["dropped"], e["pushed"]]
        for e in result["engines"]
    ]
    return table(["engine", "p50 ms", "p95 ms", "dropped", "of"], rows)


def facts(result: Mapping[str, Any]) -> str:
    """Return the single figures of a result."""
    rows = [
        [name.replace("_", " "), value]
        for name, value in result.items()
        if isinstance(value, int | float | str) and name not in ("what", "machine", "checkpoint")
    ]
    return table(["", ""], rows)


SECTIONS = {
    "peers": ("Peers side by side", "benchmarks.peers VIDEO", peers),
    "efficiency": ("Stages, bound and efficiency", "benchmarks.efficiency VIDEO", efficiency),
    "scaling": ("Scaling", "benchmarks.scaling VIDEO", scaling),
    "agreement": ("Speed does not change results", "benchmarks.agreement VIDEO", agreement),
    "latency": ("Latency of pushed frames", "benchmarks.latency", latency),
    "live": ("Live from an RTSP server", "benchmarks.live", facts),
    "memory": ("Peak memory by length", "benchmarks.memory", facts),
    "report_page": ("Report of ten minutes", "benchmarks.report_page", facts),
    "hours": ("Memory over hours", "benchmarks.hours", facts),
}


def main() -> None:
    """Write the page."""
    parts = [HEAD]
    for name, (title, module, render) in SECTIONS.items():
        if (result := read(name)) is not None:
            parts += [
                f"## {title}\n",
                f"`python -m {module}`: {result['what']}. {result['machine']}.\n",
            ]
            parts.append(render(result) + "\n")
    (HERE / "README.md").write_text("\n".join(parts))


if __name__ == "__main__":
    main()
