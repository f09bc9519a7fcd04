"""Peak memory of `cornea-stream run` on a long and a short clip: it must not grow with length.

    python -m benchmarks.memory [--frames 300 3000] [--output benchmarks/results/memory.json]

Each run is a process of its own; the peak is its largest resident set as the kernel counts it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av

from benchmarks.report import save
from cornea_stream.synthetic import generate_clip

HEIGHT, WIDTH, RATE = 768, 1024, 25


def write_clip(path: Path, frames: int) -> None:
    """Encode `frames` frames: 50 generated ones, there and back again."""
    pictures = [rgb for rgb, _ in generate_clip(1, 50, HEIGHT, WIDTH)]
    pictures += pictures[-2:0:-1]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(pictures[index % len(pictures)], format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def peak_mib(video: Path, output: Path) -> float:
    """Return the peak resident set of one run in MiB."""
    command = [sys.executable, "-m", "cornea_stream", "run", str(video), "-o", str(output)]
    process = subprocess.Popen([*command, "--mask", "--metrics", "--quiet"])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"run failed on {video}")
    return usage.ru_maxrss / 1024


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description="Peak memory against the length of the video.")
    parser.add_argument("--frames", type=int, nargs=2, default=[300, 3000])
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/memory.json"))
    options = parser.parse_args()
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in options.frames:
            video = Path(folder) / f"{count}.mp4"
            write_clip(video, count)
            peaks[count] = round(peak_mib(video, Path(folder) / "out"), 1)
    short, long = (peaks[count] for count in options.frames)
    result = {
        "what": f"peak resident memory in MiB of run --mask --metrics at {WIDTH}x{HEIGHT}, by "
        "number of frames",
        "peak_mib": peaks,
        "long_over_short": round(long / short, 4),
    }
    save(options.output, result)


if __name__ == "__main__":
    main()
