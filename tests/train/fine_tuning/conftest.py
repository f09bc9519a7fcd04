"""A short fine-tuning run, from weights with an input of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import TINY_SPEC

from cornea_stream.models.checkpoint import save_checkpoint
from cornea_stream.models.pspnet import build_pspnet
from cornea_train.config import TrainConfig

MEAN, STD = (10.0, 20.0, 30.0), (50.0, 60.0, 70.0)


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """Untrained weights with an input of their own."""
    torch.manual_seed(1)
    spec = replace(TINY_SPEC, mean=MEAN, std=STD)
    model = build_pspnet("resnet18", psp_out_channels=spec.psp_out_channels)
    save_checkpoint(tmp_path / "start.safetensors", model.state_dict(), spec)
    return tmp_path / "start.safetensors"


@pytest.fixture
def tuning(data_dir: Path, tmp_path: Path, start: Path) -> TrainConfig:
    return TrainConfig.of(
        data_dir=data_dir, output_dir=tmp_path / "tuned", init=start, epochs=3, lr=3e-3,
        least_frames=0, mix_generated=0.0, freeze_norm=False, device="cpu", precision="fp32",
    )  # fmt: skip
