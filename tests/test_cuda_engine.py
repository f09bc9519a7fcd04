"""The engine for GPUs: on a CPU as far as it goes there, the rest marked `gpu`."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from test_device_input import noise

from cornea_stream.engines import build_engine
from cornea_stream.engines.preprocess import model_input
from cornea_stream.engines.torch_cuda.batch_size import best_batch_size
from cornea_stream.engines.torch_cuda.engine import TorchCUDAEngine
from cornea_stream.engines.torch_cuda.graph import GraphedNetwork
from cornea_stream.errors import DeviceError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.frame import Frame
from cornea_stream.media.planes import Planes
from cornea_stream.models.checkpoint import Checkpoint, load_checkpoint
from cornea_stream.postprocess.mask import iou
from cornea_stream.synthetic import generate_frame

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def weights(tiny_checkpoint: Path) -> Checkpoint:
    return load_checkpoint(tiny_checkpoint)


@pytest.fixture(scope="module")
def trained() -> Checkpoint:
    return load_checkpoint()


@pytest.fixture(scope="module")
def images(weights: Checkpoint) -> list[np.ndarray]:
    return [generate_frame(900 + i, *weights.spec.image_size)[0] for i in range(6)]


@pytest.fixture(scope="module")
def reference(weights: Checkpoint, images: list[np.ndarray]) -> np.ndarray:
    """Logits of the engine for CPUs, which has its own tests."""
    engine = build_engine(weights, device="cpu", backend="torch", precision="fp32")
    return np.concatenate([engine.submit([image]).result() for image in images])


class Roomy(torch.nn.Module):
    """A network with memory for so many images only; stands in for a GPU's."""

    def __init__(self, network: torch.nn.Module, room: int) -> None:
        super().__init__()
        self.network, self.room = network, room

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.network(images)


def engine_with_room(weights: Checkpoint, room: int) -> TorchCUDAEngine:
    engine = TorchCUDAEngine(weights, device=CPU, precision="fp32", batch_size=6)
    engine._network = Roomy(engine._network, room)
    engine._graphed = engine._graph()
    return engine


def test_batches_follow_each_other_through_the_same_buffers(
    weights: Checkpoint, images: list[np.ndarray], reference: np.ndarray
) -> None:
    engine = TorchCUDAEngine(weights, device=CPU, precision="fp32", batch_size=2)
    counts = (1, 2, 1, 2)  # the buffers grow, and are then only partly used
    starts = (0, 1, 3, 4)
    pending = [engine.submit(images[a : a + n]) for a, n in zip(starts, counts, strict=True)]
    found = np.concatenate([one.result() for one in pending])
    np.testing.assert_allclose(found, reference, atol=2e-3)


class Alone(torch.nn.Module):
    """A network that fails when two threads are in it, as those who share a graph's memory do."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network, self.busy = network, threading.Lock()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert self.busy.acquire(blocking=False)
        time.sleep(0.01)
        self.busy.release()
        return self.network(images)


def test_streams_in_several_threads_stay_apart(
    weights: Checkpoint, images: list[np.ndarray], reference: np.ndarray
) -> None:
    engine = TorchCUDAEngine(weights, device=CPU, precision="fp32", batch_size=1)
    engine._network = Alone(engine._network)
    engine._graphed = engine._graph()

    def logits(order: list[int]) -> np.ndarray:
        return np.concatenate([engine.submit([images[i]]).result() for i in order])

    orders = [[0, 1, 2] * 2, [3, 4, 5] * 2, [5, 3, 1] * 2]
    with ThreadPoolExecutor(3) as pool:
        for found, order in zip(pool.map(logits, orders), orders, strict=True):
            np.testing.assert_allclose(found, reference[order], atol=2e-3)


def test_out_of_memory_halves_the_batch_and_loses_no_image(
    weights: Checkpoint, images: list[np.ndarray], reference: np.ndarray
) -> None:
    engine = engine_with_room(weights, 2)
    np.testing.assert_allclose(engine.submit(images).result(), reference, atol=2e-3)
    assert engine.batch_size == 2
    segmenter = Segmenter(weights, device="cpu", precision="fp32")
    segmenter.engine = engine_with_room(weights, 2)
    found = list(segmenter.stream(iter(images)))
    assert [result.frame.index for result in found] == list(range(len(images)))
    assert segmenter.engine.batch_size == 2


def test_memory_that_ends_while_buffers_grow_costs_no_image(
    weights: Checkpoint, images: list[np.ndarray], reference: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    engine = TorchCUDAEngine(weights, device=CPU, precision="fp32", batch_size=6)
    real, room = torch.empty, 3 * images[0].size

    def empty(size: int, **choices: Any) -> torch.Tensor:
        if "device" in choices and size > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(size, **choices)

    monkeypatch.setattr(torch, "empty", empty)
    for _ in range(3):  # through every buffer
        np.testing.assert_allclose(engine.submit(images).result(), reference, atol=2e-3)
    assert engine.batch_size == 3


def test_a_gpu_without_room_for_one_image_says_so(
    weights: Checkpoint, images: list[np.ndarray]
) -> None:
    with pytest.raises(DeviceError, match="does not hold one image: cpu: close other"):
        engine_with_room(weights, 0).submit(images)


class Refusing:
    """Stands in for a call that needs the GPU."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __call__(self, *_: object, **__: object) -> None:
        raise self.error


@pytest.mark.parametrize("what", ["torch.nn.Module.to", "torch.cpu.Stream"])
@pytest.mark.parametrize(
    ("error", "message"),
    [(torch.OutOfMemoryError("CUDA out of memory"), "does not hold the network: cpu: close other"),
     (torch.AcceleratorError("CUDA error: launch failure\nmore"), "the GPU failed: cpu: CUDA e")],
)  # fmt: skip
def test_a_gpu_that_fails_while_loading_is_told_in_one_sentence(
    weights: Checkpoint, monkeypatch: pytest.MonkeyPatch, what: str, error: Exception, message: str
) -> None:
    monkeypatch.setattr(what, Refusing(error))
    with pytest.raises(DeviceError, match=message):
        TorchCUDAEngine(weights, device=CPU, precision="fp32", batch_size=1)


def test_without_memory_for_a_smaller_graph_the_network_runs_all_the_same(
    weights: Checkpoint, images: list[np.ndarray], reference: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    engine = engine_with_room(weights, 2)
    engine._record = record_on_cpu
    monkeypatch.setattr(torch, "zeros", Refusing(torch.OutOfMemoryError("CUDA out of memory")))
    for _ in range(2):
        np.testing.assert_allclose(engine.submit(images).result(), reference, atol=2e-3)
    assert engine.describe()["network"] == "torch, eager"


@pytest.mark.parametrize("when", ["submit", "result"])
def test_a_lost_gpu_is_told_in_one_sentence(
    weights: Checkpoint, images: list[np.ndarray], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def fail(*_: object) -> None:
        raise torch.AcceleratorError("CUDA error: unspecified launch failure\nmore lines")

    engine = TorchCUDAEngine(weights, device=CPU, precision="fp32", batch_size=6)
    name = {"submit": "staging.Staging.upload", "result": "staging.Download.result"}[when]
    monkeypatch.setattr(f"cornea_stream.engines.torch_cuda.{name}", fail)
    with pytest.raises(DeviceError, match="the GPU failed: cpu: CUDA error: unspecified launch f"):
        engine.submit(images).result()


@pytest.mark.parametrize(
    ("speeds", "expected"),
    [({1: 100, 2: 200, 4: 390, 8: 400, 16: 900}, 4),  # where doubling stops to pay
     ({1: 100, 2: 90}, 1),
     ({n: 100 * n for n in (1, 2, 4, 8, 16, 32)}, 32),  # bounded
     ({1: 100, 2: 200, 4: 400}, 4),  # out of memory beyond
     ({}, 1)],
)  # fmt: skip
def test_the_batch_doubles_as_long_as_it_pays(speeds: dict[int, float], expected: int) -> None:
    def speed(size: int) -> float:
        if size not in speeds:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return speeds[size]

    assert best_batch_size(speed) == expected


def test_without_a_wish_the_batch_size_is_tried(
    weights: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []
    real = TorchCUDAEngine._speed

    def speed(self: TorchCUDAEngine, size: int) -> float:
        assert real(self, size) > 0
        tried.append(size)
        return min(size, 4)

    monkeypatch.setattr(TorchCUDAEngine, "_speed", speed)
    engine = TorchCUDAEngine(weights, device=CPU, precision="fp32")
    assert (engine.batch_size, tried) == (4, [1, 2, 4, 8])
    assert engine.describe()["batch_size"] == 4


class Doubling(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return 2.0 * images.permute(0, 3, 1, 2)


def record_on_cpu(work: Callable[[], torch.Tensor]) -> tuple[Callable[[], None], torch.Tensor]:
    """Do what a graph does: the same work on the same memory, into the same memory."""
    output = work().clone()
    return lambda: output.copy_(work()), output  # type: ignore[return-value]


def test_a_graph_takes_batches_up_to_its_size() -> None:
    counts: list[int] = []

    class Counting(Doubling):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            counts.append(len(images))
            return super().forward(images)

    graphed = GraphedNetwork(Counting(), (4, 2, 2, 3), CPU, record_on_cpu)
    assert graphed.path == "CUDA graph"
    for count in (4, 1, 3, 2):
        images = torch.randint(0, 256, (count, 2, 2, 3), dtype=torch.uint8)
        assert torch.equal(graphed(images), 2.0 * images[..., 0])
    assert counts == [4, 4, 1, 4, 2]  # recorded; then small ones alone, not as four


def test_where_no_graph_can_be_recorded_the_network_runs_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore")

    with caplog.at_level(logging.WARNING):
        graphed = GraphedNetwork(Doubling(), (4, 2, 2, 3), CPU, fail)  # type: ignore[arg-type]
    assert graphed.path == "eager"
    assert caplog.messages == [
        "no CUDA graph of the network: CUDA error: operation not permitted when stream is "
        "capturing: it runs without, more slowly"
    ]
    images = torch.randint(0, 256, (3, 2, 2, 3), dtype=torch.uint8)
    assert torch.equal(graphed(images), 2.0 * images[..., 0])


@pytest.fixture(params=["fp32", "bf16", "fp16"])
def gpu_engine(request: pytest.FixtureRequest, trained: Checkpoint) -> TorchCUDAEngine:
    device = torch.device("cuda")
    return TorchCUDAEngine(trained, device=device, precision=request.param, batch_size=4)


@pytest.fixture(scope="module")
def eyes(trained: Checkpoint) -> list[np.ndarray]:
    return [generate_frame(900 + i, *trained.spec.image_size)[0] for i in range(6)]


@pytest.mark.gpu
def test_cuda_gives_the_same_masks(
    gpu_engine: TorchCUDAEngine, trained: Checkpoint, eyes: list[np.ndarray]
) -> None:
    assert gpu_engine.describe()["network"] == "torch, CUDA graph"
    exact = build_engine(trained, device="cpu", backend="torch", precision="fp32")
    expected = np.concatenate([exact.submit([eye]).result() for eye in eyes])
    found = np.concatenate([gpu_engine.submit(eyes[i : i + 4]).result() for i in (0, 4)])
    scores = [
        iou((a > 0).astype(np.uint8), (b > 0).astype(np.uint8))
        for a, b in zip(found, expected, strict=True)
    ]
    assert np.mean(scores) > (0.999 if gpu_engine.precision == "fp32" else 0.98)


@pytest.mark.gpu
def test_a_graph_gives_what_the_network_gives(
    gpu_engine: TorchCUDAEngine, eyes: list[np.ndarray]
) -> None:
    graphed = [gpu_engine.submit(eyes[:3]).result() for _ in range(8)]
    gpu_engine._graphed = gpu_engine._graph(recorded=False)
    eager = gpu_engine.submit(eyes[:3]).result()
    tolerance = {"fp32": 1e-2, "bf16": 0.1, "fp16": 0.02}[gpu_engine.precision]
    for one in graphed:
        np.testing.assert_allclose(one, eager, atol=tolerance * np.abs(eager).max())


@pytest.mark.gpu
def test_planes_on_the_gpu_are_made_the_same_input_as_on_the_cpu(trained: Checkpoint) -> None:
    engine = TorchCUDAEngine(trained, device=torch.device("cuda"), batch_size=4)
    for size in ((1920, 1080), (1024, 768), (512, 324)):
        frames = [Frame(index, 0.0, noise(*size, colorspace=1)) for index in range(3)]
        prepared = [engine.prepare(frame) for frame in frames]
        assert all(isinstance(one, Planes) for one in prepared)
        for found, frame in zip(engine.preprocess(prepared).cpu().numpy(), frames, strict=True):
            assert np.array_equal(found, model_input(frame, trained.spec.image_size))


@pytest.mark.gpu
def test_the_batch_size_is_found_on_the_gpu(trained: Checkpoint) -> None:
    assert TorchCUDAEngine(trained, device=torch.device("cuda")).batch_size in (1, 2, 4, 8, 16, 32)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_frames_in_flight_stay_apart(trained: Checkpoint, device: str) -> None:
    """Buffers that are written to too early would mix frames up."""
    sizes = ((240, 320), (240, 320), (240, 320), (360, 480))
    videos = [
        av.VideoFrame.from_ndarray(generate_frame(i, *size)[0], format="rgb24").reformat(
            format="yuv420p"
        )
        for i, size in enumerate(sizes)
    ]
    exact = Segmenter(trained, device="cpu", backend="torch", precision="fp32")
    expected = [exact(video).mask for video in videos]
    ours = Segmenter(trained, device="cpu", backend="torch", precision="fp32")
    ours.engine = TorchCUDAEngine(trained, device=torch.device(device), batch_size=2)
    rounds = 2 if device == "cpu" else 200
    found = list(ours.stream(videos * rounds))
    assert len(found) == len(videos) * rounds
    for index, one in enumerate(found):
        assert iou(one.mask, expected[index % len(videos)]) > 0.97, index
