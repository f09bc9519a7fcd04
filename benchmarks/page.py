"""Generate benchmarks/README.md: result tables with the commands that reproduce them, and charts.

python -m benchmarks.page
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.bars import draw
from cornea_stream.models.shipped import shipped_weights

HERE = Path(__file__).parent
HEAD = """# Benchmarks

`python -m benchmarks.page` generates this page from the files in `results/`; each file names its
machine and versions. Machines are noisy, so compare numbers within a table, not across tables.
Run the scripts from the repository root with the development install of the README; VIDEO is any
surgery video. To measure your own machine, use `cornea-stream benchmark VIDEO --baseline`.
"""
NAMES = {
    "minutes": "minutes",
    "frames": "frames",
    "frames_sent": "frames sent",
    "sent": "frames sent",
    "received": "frames received",
    "shown": "frames shown",
    "dropped": "frames dropped",
    "sent_is_shown_plus_dropped": "each frame shown or counted as dropped",
    "latency_p50_ms": "latency, p50 (ms)",
    "latency_p95_ms": "latency, p95 (ms)",
    "resident_mib_most": "peak resident memory (MiB)",
    "growth_in_second_half_mib_per_minute": "growth in the second half (MiB per minute)",
    "growth_in_second_half_bytes_per_frame": "growth in the second half (bytes per frame)",
    "megabytes": "size (MB)",
    "seconds": "seconds",
    "least_seconds": "seconds from the command to the finished overlay of one frame, least",
    "median_seconds": "the same, median",
    "seconds_to_write": "seconds to write",
    "median_seconds_to_show": "seconds to load in the browser, median",
}
"""Row titles of single figures."""


def read(name: str) -> dict[str, Any] | None:
    """Return a result, or None if there is none yet."""
    path = HERE / "results" / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def table(headings: list[str], rows: list[list[object]]) -> str:
    """Return a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def peers(result: Mapping[str, Any]) -> str:
    """Return a table of speeds for each network."""
    parts = []
    for title, found in result["networks"].items():
        fps, times = found["median_fps"], found["times_the_plain_loop"]
        rows = [[name, fps[name], times[name]] for name in sorted(fps, key=fps.__getitem__)]
        parts += [f"**{title}**", table(["", "fps", "relative to the plain loop"], rows)]
    return "\n\n".join(parts)


EASE = """All tools have the same weights. smp computes in fp32, cornea-stream with the engine that
it chooses itself. ultralytics runs networks with the outputs of a YOLO only, so it gets an ONNX
file that imitates one (`benchmarks/ease/yolo_export.py`, not counted). Lines are those of code,
with what the programs of a tool share. Nothing is lost if every frame stands at its time, with its
sound and upright, if earlier files are kept, and if a killed program leaves no file that looks
complete. From a camera, cornea-stream drops and counts frames that wait behind a newer one: here
those that came in while the stream was opened. The loops with smp take every frame, and twice as
long for them as the camera."""
"""What the table of jobs means."""


def ease(result: Mapping[str, Any]) -> str:
    """Return one row per job and tool."""
    jobs, tools = result["titles"]["jobs"], result["titles"]["tools"]
    rows = [
        [
            jobs[job],
            tools[tool],
            e["lines"],
            e["cpu_seconds"],
            "; ".join(e["lost"]) or "nothing",
        ]
        for job, entries in result["jobs"].items()
        for tool, e in entries.items()
    ]
    shown = table(["job", "tool", "lines", "CPU seconds", "lost or wrong"], rows)
    return f"{shown}\n\n{EASE}"


def scaling(result: Mapping[str, Any]) -> str:
    """Return a table for each varied quantity."""
    parts = []
    for name in ("length", "resolution", "batch", "cores", "jobs", "chunks", "ray"):
        rows = [[label, fps] for label, fps in result.get(name, {}).items()]
        if rows:
            parts.append(table([name, "fps"], rows))
    return "\n\n".join([*parts, "![Frames per second by table](results/scaling.png)"])


def agreement(result: Mapping[str, Any]) -> str:
    """Return one row per engine."""
    rows = [[name, s["mean_iou"], s["lowest_iou"]] for name, s in result["engines"].items()]
    return table(["engine", "mean IoU with fp32", "lowest IoU of a frame"], rows)


def budget(result: Mapping[str, Any]) -> str:
    """Return a table of stages for each frame size, with what was tried on them."""
    return "\n\n".join([stages(result), (HERE / "tried.md").read_text().strip()])


def stages(result: Mapping[str, Any]) -> str:
    """Return a table of stages for each frame size."""
    parts = []
    for size, found in result["sizes"].items():
        rows = [
            [name, stage["cpu_ms"], stage["limit_ms"], stage["mbytes"]]
            for name, stage in found["stages"].items()
        ]
        rows += [
            ["Python, threads, memory", found["python_and_threads_ms"], "0", ""],
            ["**together**", found["whole_cpu_ms"], found["limits_together_ms"], ""],
        ]
        headings = ["", "CPU ms", "limit, CPU ms", "MB moved"]
        speed = (
            f"**{size}**: {found['fps']} frames per second; the stages without anything between "
            f"them would give {found['fps_of_stages']}, the limits {found['fps_of_limits']}"
        )
        parts += [speed, table(headings, rows)]
    return "\n\n".join(parts)


def memory(result: Mapping[str, Any]) -> str:
    """Return one row per engine and size."""
    rows = [[row["engine"], row["size"], *row["peak_mib"]] for row in result["rows"]]
    return table(["engine", "size", *(f"{n} frames (MiB)" for n in result["frames"])], rows)


def latency(result: Mapping[str, Any]) -> str:
    """Return one row per engine."""
    rows = [
        [f"{e['backend']} {e['precision']}", e["p50_ms"], e["p95_ms"], e["dropped"], e["pushed"]]
        for e in result["engines"]
    ]
    return table(["engine", "p50 (ms)", "p95 (ms)", "dropped", "frames"], rows)


def growth(result: Mapping[str, Any]) -> str:
    """Return one row per output."""
    rows = [
        [name, found["bytes_per_frame"], found["mib_per_hour_of_video"]]
        for name, found in result["growth"].items()
    ]
    return table(["", "bytes per frame", "MiB per hour of video"], rows)


def correction(result: Mapping[str, Any]) -> str:
    """Return one row per clip."""
    rows = [
        [
            f"{clip['clip']}, {clip['kind'].replace('_', ' ')}",
            f"{clip['corrected_iou']:.3f}",
            f"{clip['before']['clip']:.3f}", f"{clip['after']['clip']:.3f}",
            f"{clip['share_of_missing_gained']:.0%}",
            f"{clip['before']['generated']:.3f}", f"{clip['after']['generated']:.3f}",
            clip["minutes"],
        ]
        for clip in result["clips"]
    ]  # fmt: skip
    headings = ["clip", "corrected frames", "before", "after", "gained of what was missing"]
    return table([*headings, "generated, before", "after", "minutes of training"], rows)


def facts(result: Mapping[str, Any]) -> str:
    """Return the single figures of a result."""
    return table(
        ["", ""], [[NAMES[name], _plain(result[name])] for name in NAMES if name in result]
    )


def _plain(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return round(value) if value >= 1000 else f"{value:g}"
    return value


SECTIONS = {
    "peers": ("Comparison with other pipelines", "benchmarks.peers VIDEO", peers),
    "ease": ("Five jobs with common tools", "benchmarks.ease --yolo FILE", ease),
    "budget": ("What a frame costs", "benchmarks.budget VIDEO", budget),
    "budget_avx512": (
        "The same without AMX, with the limbus read by a network",
        "benchmarks.budget VIDEO",
        stages,
    ),
    "start": ("Start", "benchmarks.start", facts),
    "scaling": ("Scaling", "benchmarks.scaling VIDEO", scaling),
    "agreement": ("Agreement between engines", "benchmarks.agreement VIDEO", agreement),
    "latency": ("Latency of pushed frames", "benchmarks.latency", latency),
    "live": ("Live video from an RTSP server", "benchmarks.live", facts),
    "live_50": ("The same at 50 frames per second", "benchmarks.live --rate 50", facts),
    "memory": ("Peak memory", "benchmarks.memory", memory),
    "report_page": ("HTML report of a ten-minute video", "benchmarks.report_page", facts),
    "correction": ("Twenty corrected frames of a clip", "benchmarks.correction", correction),
    "hours": ("Memory over two hours of video", "benchmarks.hours", facts),
    "growth": ("Memory that grows with the video, by output", "benchmarks.growth", growth),
}


def weights_of(result: Mapping[str, Any], shipped: str) -> str:
    """Return a sentence if a result is that of other weights than the shipped ones."""
    other = result.get("checkpoint", shipped) != shipped
    return " Measured with earlier default weights." if other else ""


def main() -> None:
    """Write the page."""
    parts = [HEAD]
    shipped = hashlib.sha256(shipped_weights()["default"].read_bytes()).hexdigest()
    for name, (title, module, render) in SECTIONS.items():
        if (result := read(name)) is not None:
            parts += [
                f"## {title}\n",
                f"`python -m {module}`: {result['what']}. {result['machine']}."
                f"{weights_of(result, shipped)}\n",
            ]
            parts.append(render(result) + "\n")
    (HERE / "README.md").write_text("\n".join(parts))
    if (result := read("peers")) is not None:
        found = {
            title: dict(sorted(network["median_fps"].items(), key=lambda row: row[1]))
            for title, network in result["networks"].items()
        }
        draw(found, HERE / "results" / "peers.png")


if __name__ == "__main__":
    main()
