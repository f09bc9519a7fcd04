"""Engines: every backend and precision gives the masks of plain fp32 torch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch
from conftest import needs_bf16

from cornea_stream.engines import Engine, build_engine, device, quantize
from cornea_stream.engines.device import choose_devices, cpu_has_bf16
from cornea_stream.engines.multi_device import SeveralEngines
from cornea_stream.engines.torch_cpu import TorchCPUEngine
from cornea_stream.engines.torch_cuda.engine import TorchCUDAEngine
from cornea_stream.errors import UsageError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.frame import Frame
from cornea_stream.models.checkpoint import Checkpoint, load_checkpoint
from cornea_stream.models.fuse import fuse
from cornea_stream.models.pspnet import build_pspnet
from cornea_stream.postprocess.mask import iou
from cornea_stream.synthetic import generate_frame


@pytest.fixture(scope="module")
def weights() -> Checkpoint:
    return load_checkpoint()


@pytest.fixture(scope="module")
def images(weights: Checkpoint) -> np.ndarray:
    return np.stack([generate_frame(900 + i, *weights.spec.image_size)[0] for i in range(6)])


@pytest.fixture(scope="module")
def reference(weights: Checkpoint, images: np.ndarray) -> np.ndarray:
    """Logits of the library's own network, before its upsampling."""
    model = weights.build()
    model.segmentation_head[1] = torch.nn.Identity()  # type: ignore[index, union-attr, operator]
    normalized = (torch.from_numpy(images) - torch.tensor(weights.spec.mean)) / torch.tensor(
        weights.spec.std
    )
    with torch.inference_mode():
        return model(normalized.permute(0, 3, 1, 2))[:, 0].numpy()


@pytest.mark.parametrize("backend", ["torch", "openvino", "several", "cuda"])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "rgb24"])
def test_image_is_the_upright_frame_at_input_size(
    weights: Checkpoint, images: np.ndarray, backend: str, pix_fmt: str
) -> None:
    if backend == "cuda":
        engine: Engine[Any] = TorchCUDAEngine(weights, device=torch.device("cpu"), batch_size=1)
    elif backend == "several":
        engine = SeveralEngines([TorchCPUEngine(weights), TorchCPUEngine(weights)])
    else:
        engine = build_engine(weights, device="cpu", backend=backend)
    shown = cv2.resize(images[0], (640, 360))
    shown[:, :300] = (200, 60, 50)
    video = av.VideoFrame.from_ndarray(shown, format="rgb24").reformat(format=pix_fmt)
    video.colorspace = 5  # by which the planes are made
    found = engine.image(engine.prepare(Frame(0, 0.0, video)))
    expected = cv2.resize(shown, weights.spec.image_size[::-1])
    assert found.dtype == np.uint8
    assert found.shape == (*weights.spec.image_size, 3)
    assert np.abs(found.astype(int) - expected).mean() < 2


def logits_of(engine: Engine[Any], images: np.ndarray, batch: int = 1) -> np.ndarray:
    parts = [images[i : i + batch] for i in range(0, len(images), batch)]
    return np.concatenate([engine.submit(part).result() for part in parts])


def frames_of(images: np.ndarray) -> list[Frame]:
    return [
        Frame(index, index / 25, av.VideoFrame.from_ndarray(image, format="rgb24"))
        for index, image in enumerate(images)
    ]


def agreement(a: np.ndarray, b: np.ndarray) -> float:
    scores = [
        iou((x > 0).astype(np.uint8), (y > 0).astype(np.uint8)) for x, y in zip(a, b, strict=True)
    ]
    return float(np.mean(scores))


@pytest.mark.parametrize("name", ["resnet101", "resnet18", "mobilenet_v2"])
@pytest.mark.parametrize("size", [64, 96])
def test_fusing_is_exact_to_round_off(name: str, size: int) -> None:
    torch.manual_seed(0)
    model = build_pspnet(name).train()
    with torch.no_grad():
        model(torch.rand(4, 3, 64, 64))  # statistics that are not 0 and 1
    model.eval()
    batch = torch.rand(2, 3, size, size)
    with torch.inference_mode():
        expected, found = model(batch), fuse(model, tuple(batch.shape[2:]))(batch)
        assert (found - expected).abs().max() < 1e-4 * expected.abs().max()
        assert torch.equal(model(batch), expected)  # the original is left alone


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_fp32_equals_the_library(
    weights: Checkpoint, images: np.ndarray, reference: np.ndarray, backend: str
) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    engine = build_engine(weights, device="cpu", backend=backend, precision="fp32")
    np.testing.assert_allclose(logits_of(engine, images), reference, atol=2e-3)


@needs_bf16
@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_bf16_gives_the_same_masks(
    weights: Checkpoint, images: np.ndarray, reference: np.ndarray, backend: str
) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    engine = build_engine(weights, device="cpu", backend=backend, precision="bf16")
    assert agreement(logits_of(engine, images), reference) > 0.98


@pytest.mark.parametrize(
    ("facts", "expected"),
    [("flags\t: fpu avx512f avx512_bf16 amx_int8\n", True),
     ("flags\t: fpu avx512f amx_bf16 amx_tile\n", True),
     ("flags\t: fpu avx2\nbugs\t: bf16\n", False),
     ("Features\t: fp asimd i8mm bf16\n", True),
     ("Features\t: fp asimd\n", False),
     ("", False)],
)  # fmt: skip
def test_bf16_is_found_among_the_features_of_x86_and_arm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, facts: str, expected: bool
) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{facts}")
    monkeypatch.setattr(device, "Path", lambda _: tmp_path / "cpuinfo")
    monkeypatch.setattr(sys, "platform", "linux")
    assert cpu_has_bf16() is expected


def test_openvino_never_calls_fp32_bf16(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino")
    monkeypatch.setattr("cornea_stream.engines.openvino.cpu_has_bf16", lambda: False)
    weights = load_checkpoint(tiny_checkpoint)
    with pytest.raises(UsageError, match="does not support bf16 on this CPU: use precision=auto"):
        build_engine(weights, device="cpu", backend="openvino", precision="bf16")
    assert build_engine(weights, device="cpu", backend="openvino").describe()["precision"] == "fp32"


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_batches_of_any_size_and_results_in_order(
    weights: Checkpoint, images: np.ndarray, reference: np.ndarray, backend: str
) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    engine = build_engine(weights, device="cpu", backend=backend, precision="fp32", batch_size=4)
    np.testing.assert_allclose(logits_of(engine, images, 4), reference, atol=2e-3)
    pending = [engine.submit(images[i : i + 1]) for i in range(engine.in_flight)]
    for index, one in enumerate(pending):
        np.testing.assert_allclose(one.result()[0], reference[index], atol=2e-3)


def test_auto_takes_openvino_on_a_cpu_where_it_is_installed(tiny_checkpoint: Path) -> None:
    pytest.importorskip("openvino")
    weights = load_checkpoint(tiny_checkpoint)
    assert build_engine(weights, device="cpu").describe()["backend"] == "openvino"
    assert isinstance(build_engine(weights, device="cpu", backend="torch"), TorchCPUEngine)


def test_auto_does_without_openvino(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cornea_stream.engines.factory.find_spec", lambda _: None)
    assert isinstance(build_engine(load_checkpoint(tiny_checkpoint), device="cpu"), TorchCPUEngine)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"backend": "tpu"}, "unknown backend"),
     ({"backend": "torch", "precision": "int8"}, "int8 needs"),
     ({"backend": "openvino", "precision": "fp16"}, "fp16")],
)  # fmt: skip
def test_impossible_choices(tiny_checkpoint: Path, settings: dict[str, str], message: str) -> None:
    if settings["backend"] == "openvino":
        pytest.importorskip("openvino")
    with pytest.raises(UsageError, match=message):
        build_engine(load_checkpoint(tiny_checkpoint), device="cpu", **settings)  # type: ignore[arg-type]


def test_int8_is_checked_kept_and_refused(
    weights: Checkpoint, images: np.ndarray, reference: np.ndarray, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    pytest.importorskip("nncf")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    calibration = [generate_frame(5000 + i, *weights.spec.image_size)[0] for i in range(12)]
    monkeypatch.setattr(quantize, "MIN_AGREEMENT", 0.5)
    engine = build_engine(weights, device="cpu", precision="int8", calibration=calibration)
    assert "int8 (IoU with fp32 " in str(engine.describe()["precision"])
    assert agreement(logits_of(engine, images), reference) > 0.8
    (kept,) = (tmp_path / "cornea-stream" / "int8").iterdir()
    before = kept.read_bytes()

    def no_second_time(*_: object) -> None:
        raise AssertionError("quantized again")

    monkeypatch.setattr(quantize, "_quantize", no_second_time)
    again = build_engine(weights, device="cpu", precision="int8", calibration=calibration)
    np.testing.assert_allclose(logits_of(again, images), logits_of(engine, images), atol=1e-3)
    assert kept.read_bytes() == before
    monkeypatch.setattr(quantize, "MIN_AGREEMENT", 1.01)
    with pytest.raises(UsageError, match="int8 agrees with fp32 at a mean IoU of"):
        build_engine(weights, device="cpu", precision="int8", calibration=calibration)


def test_nothing_is_reported_over_the_network(tiny_checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    program = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise SystemExit('network: %r' % (a,))\n"
        "socket.getaddrinfo = socket.create_connection = refuse\n"
        "from cornea_stream import Segmenter\n"
        f"Segmenter({str(tiny_checkpoint)!r}, device='cpu', backend='openvino')\n"
        "assert sys.modules['openvino_telemetry'] is None\n"
        "try: import nncf\n"
        "except ImportError as err: assert err.name == 'nncf', err\n"
    )
    clean = {k: v for k, v in os.environ.items() if k != "CI"} | {"HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=clean
    )
    assert done.returncode == 0, done.stderr[-1500:]


SIGNAL_AFTER_TWO_ENGINES = """
import signal, sys, threading
from cornea_stream import Segmenter

first = Segmenter(sys.argv[1], backend="openvino")
second = Segmenter(sys.argv[1], backend="openvino")
del first
del second
signal.signal(signal.SIGALRM, lambda *_: print("alarm", flush=True))
signal.setitimer(signal.ITIMER_REAL, 0.1)
threading.Event().wait(1)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="Windows has no alarm")
def test_signals_arrive_after_engines_are_gone(tiny_checkpoint: Path) -> None:
    """Each of OpenVINO's cores leaves the thread with a signal stack that is freed with it."""
    pytest.importorskip("openvino")
    done = subprocess.run(
        [sys.executable, "-c", SIGNAL_AFTER_TWO_ENGINES, str(tiny_checkpoint)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "alarm\n"), done.stderr


def test_several_engines_take_turns_and_keep_the_order(
    weights: Checkpoint, images: np.ndarray, reference: np.ndarray
) -> None:
    parts = [build_engine(weights, device="cpu", precision="fp32") for _ in range(3)]
    taken: list[int] = []
    for number, part in enumerate(parts):
        original = part.submit
        part.submit = lambda x, n=number, f=original: (taken.append(n), f(x))[1]  # type: ignore[method-assign]
    segmenter = Segmenter(device="cpu", precision="fp32", raw=True)
    segmenter.engine = SeveralEngines(parts)
    found = list(segmenter.stages.predict(map(segmenter.stages.prepare, frames_of(images))))
    np.testing.assert_allclose([one.logits for one in found], reference, atol=2e-3)
    assert taken == [0, 1, 2, 0, 1, 2]
    assert segmenter.engine.describe()["device"] == "cpu + cpu + cpu"


@pytest.mark.parametrize("names", ["cpu,cpu", "cpu,auto", "cuda:7", "cuda:0,", "moon"])
def test_impossible_devices(names: str) -> None:
    with pytest.raises(UsageError):
        choose_devices(names)
