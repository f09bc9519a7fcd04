"""Measure each stage alone, the whole pipeline, and the bound that the stages set.

On a CPU the stages share the cores, so the bound is cores ÷ sum of their CPU times. On a GPU they
run in parallel, so it is the speed of the slowest stage. Efficiency is end-to-end speed ÷ bound.
Loading, compiling and the first frames are reported as warm-up and not included elsewhere.

If the network input is prepared on a GPU, "device input" measures upload and preprocessing alone.
"infer" includes both, as they are one stage of the pipeline.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from cornea_stream.diagnostics.benchmark.inference import Inference, configurations, measure
from cornea_stream.diagnostics.benchmark.plain_loop import plain_loop
from cornea_stream.engines import Engine
from cornea_stream.engines.torch_cuda.engine import TorchCUDAEngine
from cornea_stream.errors import UsageError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.frame import Frame
from cornea_stream.media.overlay import OverlayStyle, YuvPainter
from cornea_stream.models.checkpoint import load_checkpoint
from cornea_stream.runs.environment import machine, versions
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.result import RunResult
from cornea_stream.runs.run import run_source
from cornea_stream.sinks import check_encoder
from cornea_stream.sinks.video import VideoFile
from cornea_stream.sources import open_source

WARM_UP_FRAMES = 4
SAMPLE_FRAMES = 60
"""Frames for measuring the stages, kept decoded in memory (about 3 MB each at 1080p)."""
FULL_BATCHES = 20
"""Minimum number of batches through the network; frames are repeated for large batches."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage alone: frames per second, wall-clock percentiles and CPU time per frame."""

    name: str
    fps: float
    p50_ms: float
    p95_ms: float
    cpu_ms: float


@dataclass(slots=True)
class Benchmark:
    """The results of one benchmark run."""

    video: str
    width: int
    height: int
    frames: int
    engine: dict[str, str | int]
    paths: dict[str, str] = field(default_factory=dict)
    stages: list[Stage] = field(default_factory=list)
    inference: list[Inference] = field(default_factory=list)
    end_to_end_fps: float = 0.0
    bound_fps: float = 0.0
    bound_by: str = ""
    efficiency: float = 0.0
    warm_up_s: float = 0.0
    peak_memory_mib: float = 0.0
    baseline_fps: float | None = None
    baseline_ratio: float | None = None
    machine: str = field(default_factory=machine)
    versions: dict[str, str | None] = field(default_factory=versions)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def run_benchmark(
    video: Path,
    *,
    checkpoint: str | Path | None = None,
    device: str = "auto",
    backend: str = "auto",
    precision: str = "auto",
    calibration: str | Path | None = None,
    decoder: str = "auto",
    input_size: int | None = None,
    every_engine: bool = True,
    baseline: bool = False,
    on_step: Callable[[str], None] | None = None,
) -> Benchmark:
    """Measure all stages on `video`, and all available engines with `every_engine`.

    `input_size` is the side length of the square network input instead of the checkpoint's own.
    `on_step` is called with the name of each measurement. Raises SourceError, CheckpointError,
    UsageError.
    """
    step = on_step or (lambda name: None)
    weights = load_checkpoint(checkpoint)
    if input_size is not None:
        pitch = 2**weights.spec.encoder_depth
        if input_size < pitch or input_size % pitch:
            raise UsageError(f"input size must be a multiple of {pitch}: {input_size}: try 256")
        spec = replace(weights.spec, image_size=(input_size, input_size))
        weights = replace(weights, spec=spec)
    began = time.perf_counter()
    step("loading the network")
    segmenter = Segmenter(
        weights, device=device, backend=backend, precision=precision, calibration=calibration
    )
    frames = _sample(video)
    _drain(islice(segmenter.stream(frames[:WARM_UP_FRAMES]), WARM_UP_FRAMES))
    warm_up_s = time.perf_counter() - began
    height, width = frames[0].size
    found = Benchmark(str(video), width, height, 0, segmenter.engine.describe())
    found.warm_up_s = warm_up_s
    step("every stage alone")
    found.stages = _stages(video, decoder, frames, segmenter)
    if every_engine:
        for settings in configurations(weights, device):
            step(" ".join(map(str, settings.values())))
            found.inference.append(measure(weights, frames, device, settings))
    step("end to end")
    result = _end_to_end(video, decoder, segmenter)
    found.frames, found.end_to_end_fps, found.paths = result.frames, result.fps, result.paths
    on_gpu = not str(found.engine["device"]).startswith("cpu")
    found.bound_fps, found.bound_by = bound(found.stages, on_gpu=on_gpu)
    found.efficiency = found.end_to_end_fps / found.bound_fps
    if baseline:
        step("the plain loop")
        found.baseline_fps = plain_loop(video, weights, device)
        found.baseline_ratio = found.end_to_end_fps / found.baseline_fps
    found.peak_memory_mib = _peak_memory_mib()
    return found


def bound(stages: Sequence[Stage], *, on_gpu: bool) -> tuple[float, str]:
    """Return the maximum frames per second that the stages allow, and what limits it."""
    if on_gpu:
        slowest = min(stages, key=lambda stage: stage.fps)
        return slowest.fps, slowest.name
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return 1000 * (cores or 1) / sum(s.cpu_ms for s in stages), f"{cores} cores"


def _sample(video: Path) -> list[Frame]:
    with open_source(video) as source:
        return list(islice(source, SAMPLE_FRAMES))


def _stages(video: Path, decoder: str, frames: list[Frame], segmenter: Segmenter) -> list[Stage]:
    with open_source(video, decoder=decoder) as source:
        info = source.info
        decode = _timed_stream("decode", islice(source, 4 * SAMPLE_FRAMES))
    prepared = [segmenter.stages.prepare(frame) for frame in frames]
    predictions = list(segmenter.stages.predict(prepared))
    found = [segmenter.stages.finish(prediction) for prediction in predictions]
    paint = YuvPainter(OverlayStyle())
    preprocess = _timed("preprocess", segmenter.stages.prepare, frames)
    on_device = _device_input(segmenter.engine, [one.model_input for one in prepared])
    often = math.ceil(FULL_BATCHES * segmenter.engine.batch_size / len(prepared))
    infer = _timed_stream("infer", segmenter.stages.predict(prepared * often))
    mask = _timed("mask", segmenter.stages.finish, predictions)
    overlay = _timed("overlay", paint, found)
    painted = [paint(one) for one in found]
    with tempfile.TemporaryDirectory() as folder:
        writer = VideoFile(Path(folder) / "v.mp4", info, check_encoder("libx264"))
        began, cpu = time.perf_counter(), time.process_time()
        each = _timed("encode", writer.encode, painted)
        writer.close()  # flushes the frames in the encoder's threads
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    count = len(painted)
    encode = Stage("encode", count / seconds, each.p50_ms, each.p95_ms, 1000 * cpu / count)
    return [decode, preprocess, *on_device, infer, mask, overlay, encode]


def _device_input(engine: Engine[Any], inputs: Sequence[Any]) -> list[Stage]:
    """Measure upload and preprocessing on the device, one batch after another, if there is one."""
    if not isinstance(engine, TorchCUDAEngine):
        return []
    batch = [inputs[0]] * engine.batch_size
    walls = []
    engine.preprocess(batch)
    began_cpu = time.process_time()
    for _ in range(FULL_BATCHES):
        began = time.perf_counter()
        engine.preprocess(batch)
        walls += [(time.perf_counter() - began) / len(batch)] * len(batch)
    return [_stage("device input", walls, time.process_time() - began_cpu)]


def _timed(name: str, step: Callable[[Any], object], items: Sequence[Any]) -> Stage:
    """Measure a step on every item; results are dropped immediately, as in the pipeline.

    Keeping them would add the cost of newly allocated memory to every item.
    """
    for item in items[:WARM_UP_FRAMES]:
        step(item)
    walls = []
    began_cpu = time.process_time()
    for item in items[WARM_UP_FRAMES:]:
        began = time.perf_counter()
        step(item)
        walls.append(time.perf_counter() - began)
    return _stage(name, walls, time.process_time() - began_cpu)


def _timed_stream(name: str, items: Iterable[object]) -> Stage:
    """Measure an iterator that works ahead in threads or batches; only its mean speed counts."""
    iterator = iter(items)
    _drain(islice(iterator, WARM_UP_FRAMES))
    walls = []
    began_cpu, last = time.process_time(), time.perf_counter()
    for _ in iterator:
        walls.append(time.perf_counter() - last)
        last = time.perf_counter()
    return _stage(name, walls, time.process_time() - began_cpu)


def _stage(name: str, walls: list[float], cpu_s: float) -> Stage:
    if not walls:
        raise UsageError(
            f"the video is too short to measure: give one with more than {WARM_UP_FRAMES} frames"
        )
    p50, p95 = np.percentile(walls, [50, 95])
    count = len(walls)
    return Stage(
        name, count / sum(walls), 1000 * float(p50), 1000 * float(p95), 1000 * cpu_s / count
    )


def _end_to_end(video: Path, decoder: str, segmenter: Segmenter) -> RunResult:
    with tempfile.TemporaryDirectory() as folder:
        return run_source(video, folder, segmenter, RunOptions(decoder=decoder))


def _drain(items: Iterable[object]) -> None:
    for _ in items:
        pass


def _peak_memory_mib() -> float:
    try:
        import resource
    except ImportError:  # Windows
        return float(psutil.Process().memory_info().peak_wset) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # bytes there, KiB on Linux
