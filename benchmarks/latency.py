"""How long a pushed frame waits for its mask, with every engine of this machine.

    python -m benchmarks.latency [--seconds 20] [--rate 25] [--output FILE]

Generated frames of 1024x768 are pushed into a `Session` at a steady rate, newest only; latency runs
from the call of `submit` to the mask being there. `load_before` is the machine's load average:
anything much above 0 means that other work disturbed the measurement.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import Future
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.report import save
from cornea_stream import Segmentation, Segmenter, Session
from cornea_stream.synthetic import generate_clip

HEIGHT, WIDTH = 768, 1024
WARM_UP = 10


def engines() -> list[dict[str, str]]:
    """Return the settings of every engine that this machine can run."""
    found = [{"backend": "torch", "device": "cpu", "precision": p} for p in ("fp32", "auto")]
    if find_spec("openvino"):
        found += [
            {"backend": "openvino", "device": "cpu", "precision": p}
            for p in ("fp32", "auto", "int8")
        ]
    if torch.cuda.is_available():
        found += [{"backend": "torch", "device": "cuda", "precision": p} for p in ("fp32", "auto")]
    return found


def measure(
    settings: dict[str, str], pictures: list[NDArray[np.uint8]], seconds: float, rate: int
) -> dict[str, object]:
    """Return latencies and counts of one engine."""
    segmenter = Segmenter(**settings)  # type: ignore[arg-type]
    latencies_ms: list[float] = []
    dropped = 0

    def note(future: Future[Segmentation], pushed_s: float) -> None:
        nonlocal dropped
        if future.exception():
            dropped += 1
        else:
            latencies_ms.append(1000 * (time.perf_counter() - pushed_s))

    pushed = round(seconds * rate)
    with Session(segmenter, newest_only=True) as session:
        for picture in pictures[:WARM_UP]:
            session.submit(picture).exception()
        began = time.perf_counter()
        for index in range(pushed):
            time.sleep(max(0.0, began + index / rate - time.perf_counter()))
            now = time.perf_counter()
            future = session.submit(pictures[index % len(pictures)])
            future.add_done_callback(lambda done, now=now: note(done, now))
    p50, p95 = np.percentile(latencies_ms, [50, 95])
    return {
        **segmenter.engine.describe(),
        "pushed": pushed,
        "answered": len(latencies_ms),
        "dropped": dropped,
        "p50_ms": round(float(p50), 1),
        "p95_ms": round(float(p95), 1),
    }


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description="Latency of pushed frames.")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=int, default=25, help="frames per second")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/latency.json"))
    options = parser.parse_args()
    pictures = [rgb for rgb, _ in generate_clip(1, 50, HEIGHT, WIDTH)]
    pictures += pictures[-2:0:-1]
    load, _, _ = os.getloadavg()
    result = {
        "what": f"milliseconds from submit to mask, {WIDTH}x{HEIGHT} frames pushed at "
        f"{options.rate} per second",
        "load_before": round(load, 2),
        "engines": [
            measure(settings, pictures, options.seconds, options.rate) for settings in engines()
        ],
    }
    save(options.output, result)


if __name__ == "__main__":
    main()
