"""Networks on disk: read instead of made again, and made again when they are damaged."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from subprocess import run
from typing import Any

import numpy as np
import pytest
from conftest import moving_discs, write_video

from cornea_stream.engines import network_cache, quantize
from cornea_stream.engines.network_cache import CachedNetwork
from cornea_stream.engines.openvino import OpenVINOEngine, converted, shared_core
from cornea_stream.engines.quantize import quantized_engine
from cornea_stream.models.checkpoint import Checkpoint, load_checkpoint
from cornea_stream.models.pspnet import IMAGENET_MEAN

openvino: Any = pytest.importorskip("openvino")


_CONVERTED: dict[str, Any] = {}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "cornea-stream" / "openvino"


@pytest.fixture
def weights(tiny_checkpoint: Path) -> Checkpoint:
    return load_checkpoint(tiny_checkpoint)


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is converted, by its hash."""
    from cornea_stream.engines import convert as module

    original, made = module.convert, []

    def counted(openvino: Any, checkpoint: Checkpoint) -> Any:
        made.append(checkpoint.sha256)
        key = repr(checkpoint.spec)
        if key not in _CONVERTED:  # converting takes seconds
            _CONVERTED[key] = original(openvino, checkpoint)
        return _CONVERTED[key].clone()

    monkeypatch.setattr(module, "convert", counted)
    return made


def logits(checkpoint: Checkpoint, model: Any = None) -> np.ndarray:
    image = np.random.default_rng(2).integers(0, 256, (64, 64, 3), np.uint8)
    return OpenVINOEngine(checkpoint, precision="fp32", model=model).submit([image]).result()


def test_a_second_start_reads_what_the_first_made(
    cache: Path, weights: Checkpoint, conversions: list[str]
) -> None:
    first, second = logits(weights), logits(weights)
    np.testing.assert_array_equal(first, second)
    assert conversions == [weights.sha256]
    assert [path.suffix for path in cache.iterdir()] == [".zip"]  # nothing half written stays


def test_a_network_is_read_with_the_core_of_the_process(
    cache: Path, weights: Checkpoint, conversions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = logits(weights)
    monkeypatch.delattr(openvino, "Core")
    np.testing.assert_array_equal(logits(weights), first)
    assert conversions == [weights.sha256]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "other"])
def test_a_damaged_file_is_made_again(
    cache: Path, weights: Checkpoint, conversions: list[str], damage: str
) -> None:
    expected = logits(weights)
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "truncated": whole[:middle],
            "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "empty": b"",
            "other": b"not a cache",
        }[damage]
    )
    np.testing.assert_array_equal(logits(weights), expected)
    assert len(conversions) == 2
    assert path.read_bytes()[:2] == b"PK"
    np.testing.assert_array_equal(logits(weights), expected)
    assert len(conversions) == 2


def test_weights_and_specs_are_told_apart(
    cache: Path, weights: Checkpoint, conversions: list[str]
) -> None:
    others = (
        replace(weights, sha256="0" * 64),
        replace(weights, spec=replace(weights.spec, mean=IMAGENET_MEAN)),
    )
    for one in (weights, *others):
        converted(one)
    assert len(conversions) == len(list(cache.iterdir())) == 3
    unnamed = replace(weights, sha256="")
    converted(unnamed)
    converted(unnamed)
    assert len(conversions) == 5
    assert len(list(cache.iterdir())) == 3


def test_the_last_used_are_kept(
    cache: Path, weights: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_cache, "MOST_NETWORKS", 2)
    model = converted(weights)
    (first,) = cache.iterdir()
    for number in range(2):
        os.utime(first, (1, 1))
        assert CachedNetwork(openvino, "openvino", weights).read(shared_core())  # in use again
        other = replace(weights, sha256=str(number))
        CachedNetwork(openvino, "openvino", other).keep(model, {})
        for path in cache.iterdir():
            os.utime(path, (2, 2)) if path != first else None
    assert len(list(cache.iterdir())) == 2
    assert first.exists()


def test_an_unwritable_cache_changes_nothing(
    tmp_path: Path, weights: Checkpoint, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with caplog.at_level(logging.INFO):
        assert logits(weights).shape == (1, 8, 8)
    assert "cannot write the cache" in caplog.text


def test_with_a_warm_cache_nothing_slow_is_imported(
    cache: Path, weights: Checkpoint, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    converted(weights)
    video = write_video(tmp_path / "v.mp4", moving_discs(3))
    slow = ("torch", "segmentation_models_pytorch", "timm", "nncf", "sympy", "matplotlib", "ray")
    for arguments in (["frame", "--timestamp", "0"], ["run"]):
        command, *options = arguments
        argv = [command, str(video), *options, "--checkpoint", str(tiny_checkpoint)]
        argv += ["--device", "cpu", "-o", str(tmp_path / command), "--quiet"]
        program = (
            "import sys\n"
            "from cornea_stream.cli import app\n"
            f"code = app({argv!r}, standalone_mode=False)\n"
            f"assert not code, code\n"
            f"assert not (slow := sys.modules.keys() & {set(slow)!r}), slow\n"
        )
        done = run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-1500:]


def test_a_truncated_int8_network_or_one_of_another_nncf_is_made_again(
    tmp_path: Path, weights: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made: list[int] = []

    def quantized(model: Any, images: Sequence[Any]) -> Any:
        made.append(len(images))
        return model

    monkeypatch.setattr(quantize, "_quantize", quantized)
    images = [np.full((64, 64, 3), 20 * level, np.uint8) for level in range(8)]
    for _ in range(2):
        quantized_engine(weights, calibration=images)
    assert made == [6]  # every fourth image is kept back
    (kept,) = (tmp_path / "cornea-stream" / "int8").iterdir()
    kept.write_bytes(kept.read_bytes()[:-40])
    quantized_engine(weights, calibration=images)
    assert made == [6, 6]
    monkeypatch.setattr("importlib.metadata.version", lambda _: "99.0")
    quantized_engine(weights, calibration=images)
    assert made == [6, 6, 6]
