"""What the network alone costs: CPU milliseconds a frame, several weights in turns.

    python -m benchmarks.network_cost default resnet101 [--engines torch-bf16 openvino-bf16]

The weights take turns frame by frame, so that a busy machine slows all of them alike; CPU time of
all threads, median and least.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.report import save
from cornea_stream.engines.factory import build_engine
from cornea_stream.models.checkpoint import load_checkpoint

ENGINES = ("torch-bf16", "openvino-bf16", "openvino-int8")
WARM_UP = 5


def costs(weights: Sequence[str], engine: str, frames: int = 60) -> dict[str, dict[str, float]]:
    """Return the median and the least CPU milliseconds a frame of each of the `weights`."""
    backend, precision = engine.split("-")
    rng = np.random.default_rng(0)
    engines, images = [], []
    for name in weights:
        checkpoint = load_checkpoint(name)
        engines.append(build_engine(checkpoint, backend=backend, device="cpu", precision=precision))
        shape = (*checkpoint.spec.image_size, 3)
        images.append(rng.integers(0, 256, shape, dtype=np.uint8))
    spent: list[list[float]] = [[] for _ in weights]
    for _ in range(WARM_UP + frames):
        for times, one, image in zip(spent, engines, images, strict=True):
            begin = time.process_time()
            one.submit([image]).result()
            times.append(1000 * (time.process_time() - begin))
    return {
        name: {
            "median": round(float(np.median(times[WARM_UP:])), 1),
            "least": round(min(times[WARM_UP:]), 1),
        }
        for name, times in zip(weights, spent, strict=True)
    }


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description="CPU time of networks.")
    parser.add_argument("weights", nargs="+", help="names or files")
    parser.add_argument("--engines", nargs="+", default=ENGINES[:2], choices=ENGINES)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/network_cost.json"))
    options = parser.parse_args()
    result = {name: costs(options.weights, name, options.frames) for name in options.engines}
    save(options.output, {"what": "CPU ms a frame, network alone, in turns", **result})


if __name__ == "__main__":
    main()
