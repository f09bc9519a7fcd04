"""What `info` says is so: checked against the system where that can be asked another way."""

from __future__ import annotations

import hashlib
import json
import os
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from typer.testing import CliRunner

from cornea_stream.cli import app
from cornea_stream.diagnostics import installation
from cornea_stream.diagnostics.installation import describe_installation
from cornea_stream.errors import UsageError

ROOT = Path(__file__).parents[1]


def test_facts_are_those_of_this_machine() -> None:
    told = describe_installation()
    assert json.loads(json.dumps(told)) == told
    assert told["torch"] == torch.__version__.split("+")[0]
    assert told["cores_usable"] <= (os.cpu_count() or 1)
    weights = Path(told["default_weights"])
    assert told["default_weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert {"h264", "hevc", "mpeg2video"} <= set(told["decoders"])
    assert {"libx264", "ffv1"} <= set(told["encoders"])
    if Path("/proc/meminfo").exists():
        total_kib = int(Path("/proc/meminfo").read_text().split()[1])
        assert told["memory_gib"] == pytest.approx(total_kib / 2**20, abs=0.1)
    if told["cpu_features"] and Path("/proc/cpuinfo").exists():
        flags = Path("/proc/cpuinfo").read_text()
        for feature in ("avx2", "avx512_vnni", "avx512_bf16", "amx_tile"):
            assert (feature in told["cpu_features"]) == (f" {feature} " in flags)


def test_only_codecs_that_are_there_are_named() -> None:
    assert installation._codecs(("h264", "nonsense", "libx264"), "r") == ["h264"]
    assert installation._codecs(("h264_nonsense", "libx264"), "w") == ["libx264"]


def test_extras_are_told_with_versions_or_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        metadata, "requires",
        lambda name: ["numpy>=1", 'av>=1; extra == "a"', 'av; extra == "b"',
                      'no-such-thing>=2; extra == "b"', 'pytest; extra == "test"'],
    )  # fmt: skip
    assert installation._extras() == {
        "extras_installed": {"a": [f"av {metadata.version('av')}"]},
        "extras_missing": {"b": ["no-such-thing"]},
    }


def test_gpus_and_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> object:
        raise UsageError("not installed")

    monkeypatch.setattr(installation, "shared_core", missing)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    card = SimpleNamespace(name="H100", total_memory=80 * 2**30, major=9, minor=0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: card)
    told = describe_installation()
    assert told["openvino_devices"] is None
    assert told["gpus"] == ["H100, 80 GiB, compute capability 9.0"]
    text = CliRunner().invoke(app, ["info"]).output
    lines = dict(line.split(maxsplit=1) for line in text.splitlines())
    assert lines["gpus"] == "H100, 80 GiB, compute capability 9.0"
    assert lines["openvino_devices"] == "unknown"
    assert lines["default_weights_sha256"] == told["default_weights_sha256"]
    assert lines["ffmpeg"].startswith("libavutil ")


def test_json_is_the_same_facts() -> None:
    told = json.loads(CliRunner().invoke(app, ["info", "--json"]).output)
    assert told == describe_installation()


def test_the_wheel_has_every_package() -> None:
    """Tests import the folders themselves: only users would miss one that is left out."""
    folders = {"cornea_stream": ROOT / "cornea_stream", "cornea_train": ROOT / "train"}
    there = {
        ".".join((name, *init.parent.relative_to(folder).parts))
        for name, folder in folders.items()
        for init in folder.rglob("__init__.py")
    }
    listed = (ROOT / "pyproject.toml").read_text("utf-8").split("packages = [", 1)[1].split("]")[0]
    packages = {line.strip(' ",') for line in listed.splitlines() if line.strip()}
    assert packages == there | {"cornea_stream.model_weights"}
