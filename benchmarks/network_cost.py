"""What the network alone costs: CPU milliseconds a frame, several weights in turns.

    python -m benchmarks.network_cost default resnet101 [--engines torch-bf16 openvino-bf16]

The weights take turns frame by frame, so that a busy machine slows all of them alike; CPU time of
all threads, median and least. With `--size` the input is another one than the weights were made
for, which changes the cost but needs no training.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import save
from cornea_stream.engines.factory import build_engine
from cornea_stream.models.checkpoint import load_checkpoint

ENGINES = ("torch-bf16", "openvino-bf16", "openvino-int8")


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description="CPU time of networks.")
    parser.add_argument("weights", nargs="+", help="names or files")
    parser.add_argument("--engines", nargs="+", default=ENGINES[:2], choices=ENGINES)
    parser.add_argument("--size", type=int, help="side of the input of the first weights")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/network_cost.json"))
    options = parser.parse_args()
    result: dict[str, Any] = {"what": "CPU ms a frame, network alone", "frames": options.frames}
    rng = np.random.default_rng(0)
    for name in options.engines:
        backend, precision = name.split("-")
        engines, images = [], []
        for index, weights in enumerate(options.weights):
            checkpoint = load_checkpoint(weights)
            if options.size and index == 0:
                spec = replace(checkpoint.spec, image_size=(options.size, options.size))
                checkpoint = replace(checkpoint, spec=spec, sha256=f"{options.size}")
            engines.append(
                build_engine(checkpoint, backend=backend, device="cpu", precision=precision)
            )
            shape = (*checkpoint.spec.image_size, 3)
            images.append(rng.integers(0, 256, shape, dtype=np.uint8))
        spent: list[list[float]] = [[] for _ in engines]
        for _ in range(options.frames + 5):
            for times, engine, image in zip(spent, engines, images, strict=True):
                begin = time.process_time()
                engine.submit([image]).result()
                times.append(1000 * (time.process_time() - begin))
        result[name] = {
            weights: {"median": round(float(np.median(t[5:])), 1), "least": round(min(t[5:]), 1)}
            for weights, t in zip(options.weights, spent, strict=True)
        }
    save(options.output, result)


if __name__ == "__main__":
    main()
