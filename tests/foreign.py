"""Weights as other trainers save them, and the output of their own network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import torch
from torch import nn

from cornea_stream.models.checkpoint import load_checkpoint

STATED: dict[str, Any] = {"input_size": 64, "input_normalization": "imagenet"}
Tensors = dict[str, torch.Tensor]


def network(classes: int = 1, **more: Any) -> smp.PSPNet:
    torch.manual_seed(3)
    return smp.PSPNet(
        "resnet18", encoder_weights=None, classes=classes, psp_out_channels=16, **more
    ).eval()


def prefixed(tensors: Tensors, prefix: str) -> Tensors:
    return {prefix + name: value for name, value in tensors.items()}


def logits(path: Path, **stated: Any) -> torch.Tensor:
    net = load_checkpoint(path, **{**STATED, **stated}).build_for_inference()
    with torch.inference_mode():
        found: torch.Tensor = net(picture())
    return found


def picture() -> torch.Tensor:
    return torch.linspace(-2, 2, 3 * 64 * 64).reshape(1, 3, 64, 64)


def expected(net: nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = net(picture())
    return found
