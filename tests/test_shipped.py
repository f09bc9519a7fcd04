"""Weights of the package by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cornea_stream.batch.setup import Setup
from cornea_stream.errors import CheckpointError
from cornea_stream.models import shipped
from cornea_stream.models.checkpoint import load_checkpoint
from cornea_stream.models.shipped import resolve_checkpoint, shipped_weights
from cornea_stream.runs.environment import describe_path


def test_default_weights_have_a_name() -> None:
    assert resolve_checkpoint("default") == resolve_checkpoint(None) == shipped_weights()["default"]


def test_resnet101_loads_by_name_as_it_was_published() -> None:
    weights = load_checkpoint("resnet101")
    assert (weights.spec.encoder_name, weights.spec.encoder_depth) == ("resnet101", 3)
    assert weights.path == shipped_weights()["resnet101"]
    assert describe_path(Path("resnet101"))["sha256"] == weights.sha256


def test_name_means_the_same_from_another_folder() -> None:
    found = Setup(Path("resnet101")).absolute().checkpoint
    assert found is not None
    assert found.is_absolute()
    assert found.samefile(shipped_weights()["resnet101"])


def test_file_of_that_name_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(shipped_weights()["resnet101"], tmp_path / "default")
    assert resolve_checkpoint("default") == Path("default")


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(CheckpointError, match=r"not found: resnet1000: .* default, resnet101"):
        load_checkpoint("resnet1000")


def test_installation_without_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "shipped_weights", dict)
    with pytest.raises(CheckpointError, match="missing from this installation"):
        load_checkpoint()
