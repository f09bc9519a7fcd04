"""Peak memory of `cornea-stream run` by engine, size and length: it must not grow with length.

    python -m benchmarks.memory [--frames 300 3000] [--output benchmarks/results/memory.json]

Each run is a process of its own; the peak is its largest resident set as the kernel counts it.
That count begins with what the parent holds, so clips are written in another process.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av

from benchmarks.report import save
from cornea_stream.synthetic import generate_clip

SIZES, RATE = ((1024, 768), (1920, 1080)), 25
ENGINES = ("openvino", "torch")


def write_clip(path: Path, size: tuple[int, int], frames: int) -> None:
    """Encode `frames` frames of a size: 50 generated ones, there and back again."""
    width, height = size
    pictures = [rgb for rgb, _ in generate_clip(1, 50, height, width)]
    pictures += pictures[-2:0:-1]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(pictures[index % len(pictures)], format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def peak_mib(video: Path, output: Path, engine: str) -> float:
    """Return the peak resident set of one run in MiB."""
    command = [sys.executable, "-m", "cornea_stream", "run", str(video), "-o", str(output)]
    process = subprocess.Popen(
        [*command, "--mask", "--metrics", "--quiet", "--overwrite", "--backend", engine]
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"run failed on {video}")
    return round(usage.ru_maxrss / 1024, 1)


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description="Peak memory by engine, size and length.")
    parser.add_argument("--frames", type=int, nargs=2, default=[300, 3000])
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/memory.json"))
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            name = f"{size[0]}x{size[1]}"
            clips = [Path(folder) / f"{name}-{count}.mp4" for count in options.frames]
            for clip, count in zip(clips, options.frames, strict=True):
                writer = multiprocessing.get_context("spawn").Process(
                    target=write_clip, args=(clip, size, count)
                )
                writer.start()
                writer.join()
            for engine in ENGINES:
                peak_mib(clips[0], Path(folder) / "out", engine)  # makes the cached network
                short, long = (peak_mib(clip, Path(folder) / "out", engine) for clip in clips)
                rows.append({"engine": engine, "size": name, "peak_mib": [short, long]})
    result = {
        "what": "peak resident memory of run --mask --metrics in MiB",
        "frames": options.frames,
        "rows": rows,
    }
    save(options.output, result)


if __name__ == "__main__":
    main()
