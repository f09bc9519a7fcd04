"""Hours of video through every sink at flat memory: the resident set over time, as a plot.

    python -m benchmarks.hours [--hours 2] [--output benchmarks/results/hours.json]

The pictures are small and so is the network (random weights), so that two hours at 25 frames per
second take minutes: what is watched is the pipeline, not the speed. `benchmarks.growth` says what
grows.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.media import write_looped
from benchmarks.report import save
from benchmarks.resident import Samples, growth_per_minute, sampled
from cornea_stream.models.checkpoint import save_checkpoint
from cornea_stream.models.pspnet import ModelSpec, build_pspnet

SIZE, RATE = (160, 120), 25
SINKS = ("--mask", "--metrics", "--polygons")


def write_small_network(path: Path) -> None:
    """Write an untrained network that costs a hundredth of the usual one."""
    spec = ModelSpec(encoder_name="resnet18", psp_out_channels=32, image_size=(64, 64))
    model = build_pspnet("resnet18", psp_out_channels=32)
    save_checkpoint(path, model.state_dict(), spec, {"note": "untrained"})


def plot(samples: Samples, path: Path) -> None:
    """Draw the resident set over the run's minutes."""
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.plot([s / 60 for s, _ in samples], [mib for _, mib in samples], color="#2a9d8f")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("minutes of the run")
    axes.set_ylabel("resident MiB")
    figure.savefig(path, dpi=100)


def main() -> None:
    """Run, sample, print, plot and write the result."""
    parser = argparse.ArgumentParser(description="Memory over hours of video.")
    parser.add_argument("--hours", type=float, default=2)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/hours.json"))
    options = parser.parse_args()
    frames = round(3600 * RATE * options.hours)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_small_network(folder / "small.safetensors")
        write_looped(folder / "surgery.mkv", frames, SIZE, RATE)
        command = [sys.executable, "-m", "cornea_stream", "run", str(folder / "surgery.mkv")]
        process = subprocess.Popen(
            [*command, *SINKS, "-o", name, "--json", "--device", "cpu", "--backend", "torch",
             "--checkpoint", str(folder / "small.safetensors")],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        samples = sampled(process, folder / "surgery" / "overlay.part.mp4")
        if process.returncode:
            raise SystemExit(f"the run failed with {process.returncode}")
        assert process.stdout is not None
        (run,) = json.loads(process.stdout.read())
    plot(samples, options.output.with_suffix(".png"))
    growth = growth_per_minute(samples)
    result = {
        "what": f"resident memory of run {' '.join(SINKS)} over {options.hours:g} h of video",
        "frames": run["frames"],
        "frames_sent": frames,
        "seconds": run["seconds"],
        "resident_mib_most": max(mib for _, mib in samples),
        "growth_in_second_half_mib_per_minute": growth,
        "growth_in_second_half_bytes_per_frame": round(
            growth * 2**20 * run["seconds"] / 60 / run["frames"], 1
        ),
        "resident_mib_by_second": dict(samples),
    }
    save(options.output, result)


if __name__ == "__main__":
    main()
