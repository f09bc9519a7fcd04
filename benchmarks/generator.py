"""How fast eyes are generated: frames per second over all cores.

python -m benchmarks.generator [--output benchmarks/results/generator.json]
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2

from benchmarks.report import save
from cornea_stream.synthetic import generate_frame


def generate(job: tuple[int, int]) -> None:
    """Generate one frame of a seed and a size, on one thread."""
    cv2.setNumThreads(1)
    seed, size = job
    generate_frame(seed, size, size)


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description="Generated frames per second.")
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/generator.json"))
    options = parser.parse_args()
    speeds = {}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for size in (256, 512):
            list(pool.map(generate, [(i, size) for i in range(16)]))  # start the processes
            began = time.perf_counter()
            list(pool.map(generate, [(100 + i, size) for i in range(options.frames)], chunksize=4))
            speeds[f"{size}x{size}"] = round(options.frames / (time.perf_counter() - began), 1)
    result = {
        "what": "generated frames per second over all cores",
        "fps": speeds,
    }
    save(options.output, result)


if __name__ == "__main__":
    main()
