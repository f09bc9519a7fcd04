"""The benchmark's arithmetic and that it measures what it says; no test here times anything."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import pytest
import torch
from conftest import moving_discs, write_video

from cornea_stream.cli import main
from cornea_stream.diagnostics.benchmark import Stage, bound, plain_loop, run_benchmark
from cornea_stream.diagnostics.benchmark.inference import configurations, measure
from cornea_stream.engines.torch_cuda.engine import TorchCUDAEngine
from cornea_stream.errors import UsageError
from cornea_stream.models.checkpoint import Checkpoint, load_checkpoint
from cornea_stream.sources import open_source


def stage(name: str, fps: float, cpu_ms: float) -> Stage:
    return Stage(name, fps, 1000 / fps, 1000 / fps, cpu_ms)


def test_bound_of_a_cpu_is_cores_over_cpu_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    stages = [stage("decode", 400, 5), stage("infer", 50, 30), stage("encode", 100, 5)]
    assert bound(stages, on_gpu=False) == (100.0, "4 cores")


def test_bound_of_a_gpu_is_the_slowest_stage() -> None:
    stages = [stage("decode", 400, 5), stage("infer", 3000, 1), stage("encode", 100, 5)]
    assert bound(stages, on_gpu=True) == (100, "encode")


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "v.mp4", moving_discs(12))


def test_every_figure_is_there(video: Path, tiny_checkpoint: Path) -> None:
    steps: list[str] = []
    found = run_benchmark(
        video, checkpoint=tiny_checkpoint, device="cpu", backend="torch", precision="fp32",
        every_engine=False, baseline=True, on_step=steps.append,
    )  # fmt: skip
    assert [s.name for s in found.stages] == [
        "decode", "preprocess", "infer", "mask", "overlay", "encode",
    ]  # fmt: skip
    assert all(s.fps > 0 and s.p50_ms <= s.p95_ms for s in found.stages)
    assert (found.width, found.height, found.frames) == (160, 120, 12)
    assert found.efficiency == pytest.approx(found.end_to_end_fps / found.bound_fps)
    assert found.baseline_fps is not None
    assert found.baseline_ratio == pytest.approx(found.end_to_end_fps / found.baseline_fps)
    assert found.peak_memory_mib > 50
    assert steps == ["loading the network", "every stage alone", "end to end", "the plain loop"]


def test_what_a_gpu_does_before_the_network_is_a_stage_of_its_own(
    video: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(checkpoint: Checkpoint, **_: object) -> TorchCUDAEngine:
        return TorchCUDAEngine(
            checkpoint, device=torch.device("cpu"), precision="fp32", batch_size=4
        )

    monkeypatch.setattr("cornea_stream.inference.segmenter.build_engine", build)
    found = run_benchmark(video, checkpoint=tiny_checkpoint, input_size=32, every_engine=False)
    assert [s.name for s in found.stages] == [
        "decode", "preprocess", "device input", "infer", "mask", "overlay", "encode",
    ]  # fmt: skip
    assert found.paths == {
        "decode": "CPU", "preprocess": "GPU", "network": "torch, eager", "encode": "libx264",
    }  # fmt: skip


def test_frames_in_all_configurations_of_a_machine(video: Path, tiny_checkpoint: Path) -> None:
    weights = load_checkpoint(tiny_checkpoint)
    settings = {"backend": "torch", "precision": "fp32", "batch_size": 2}
    assert settings | {"batch_size": 4} in configurations(weights, "cpu")
    with open_source(video) as source:
        found = measure(weights, list(source), "cpu", settings)
    assert (found.backend, found.precision, found.batch_size) == ("torch", "fp32", 2)
    assert found.fps > 0
    assert 0 < found.p50_ms <= found.p95_ms


def test_too_short_and_unreadable(tmp_path: Path, tiny_checkpoint: Path) -> None:
    short = write_video(tmp_path / "s.mp4", moving_discs(3))
    with pytest.raises(UsageError, match="too short to measure"):
        run_benchmark(short, checkpoint=tiny_checkpoint, device="cpu", every_engine=False)
    with pytest.raises(UsageError, match="input size must be a multiple of 8: 50: try 256"):
        run_benchmark(short, checkpoint=tiny_checkpoint, device="cpu", input_size=50)
    with pytest.raises(UsageError, match="OpenCV"):
        plain_loop(tmp_path / "none.mp4", load_checkpoint(tiny_checkpoint), "cpu")


def test_on_the_command_line(
    video: Path, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def call(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["cornea-stream", "benchmark", *map(str, arguments)])
        with pytest.raises(SystemExit) as exited:
            main()
        return int(exited.value.code or 0)

    chart = tmp_path / "chart.png"
    common = (video, "--checkpoint", tiny_checkpoint, "--device", "cpu", "--no-engines")
    assert call(*common, "--json", "--chart", chart) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["frames"] == 12
    assert told["machine"]
    assert cv2.imread(str(chart)) is not None
    assert call(*common, "--chart", chart) == 5
    assert call(*common) == 0
    assert "End to end" in capsys.readouterr().out
