"""The network alone, in every configuration that the machine supports."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from cornea_stream.engines import Engine, Pending, build_engine
from cornea_stream.engines.device import choose_devices, cpu_has_bf16
from cornea_stream.engines.openvino import has_bf16
from cornea_stream.media.frame import Frame
from cornea_stream.models.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class Inference:
    """The network alone in one configuration.

    `fps` is measured with the engine's maximum of batches in flight, and the percentiles with one
    batch at a time.
    """

    backend: str
    precision: str
    batch_size: int
    fps: float
    p50_ms: float
    p95_ms: float
    cpu_ms: float
    warm_up_s: float


def configurations(weights: Checkpoint, device: str) -> list[dict[str, Any]]:
    """Return the backends, precisions and batch sizes that this machine supports."""
    found = []
    for backend, precisions, batches in (
        ("torch", ("fp32", "bf16", "fp16"), (1, 4, 16, 64)),
        ("openvino", ("fp32", "bf16", "int8"), (1, 4)),
    ):
        for precision in precisions:
            for batch_size in batches:
                settings = {"backend": backend, "precision": precision, "batch_size": batch_size}
                if _possible(weights, device, settings):
                    found.append(settings)
    return found


def _possible(weights: Checkpoint, device: str, settings: dict[str, Any]) -> bool:
    on_cpu = choose_devices(device) == ["cpu"]
    if settings["precision"] == "bf16" and on_cpu and not cpu_has_bf16():
        return False
    if settings["backend"] == "openvino":
        package = "nncf" if settings["precision"] == "int8" else "openvino"
        possible = on_cpu and find_spec(package) is not None
        return possible and (settings["precision"] != "bf16" or has_bf16())
    return settings["batch_size"] <= 4 and settings["precision"] != "fp16" if on_cpu else True


def measure(
    weights: Checkpoint, frames: list[Frame], device: str, settings: dict[str, Any]
) -> Inference:
    """Build the engine of `settings` and measure it on `frames`."""
    began = time.perf_counter()
    engine: Engine[Any] = build_engine(weights, device=device, **settings)
    size = engine.batch_size
    inputs = [engine.prepare(frames[i % len(frames)]) for i in range(max(size, 16))]
    engine.submit(inputs[:size]).result()
    warm_up_s = time.perf_counter() - began
    rounds = max(4, 32 // size)
    batches = [
        inputs[start : start + size]
        for start in (index * size % (len(inputs) - size + 1) for index in range(rounds))
    ]
    walls = []
    for batch in batches:
        began = time.perf_counter()
        engine.submit(batch).result()
        walls.append(time.perf_counter() - began)
    p50, p95 = (1000 * float(v) for v in np.percentile(walls, [50, 95]))
    began, began_cpu = time.perf_counter(), time.process_time()
    _run_through(engine, batches)
    fps = rounds * size / (time.perf_counter() - began)
    cpu_ms = 1000 * (time.process_time() - began_cpu) / (rounds * size)
    return Inference(
        settings["backend"], settings["precision"], size, fps, p50, p95, cpu_ms, warm_up_s
    )


def _run_through(engine: Engine[Any], batches: Sequence[Sequence[Any]]) -> None:
    """Run all batches, with the engine's maximum in flight."""
    pending: deque[Pending] = deque()
    for batch in batches:
        if len(pending) == engine.in_flight:
            pending.popleft().result()
        pending.append(engine.submit(batch))
    while pending:
        pending.popleft().result()
