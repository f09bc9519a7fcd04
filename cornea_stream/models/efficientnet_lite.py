"""EfficientNet-Lite encoders (Tan and Le 2019) in plain torch, as timm ports them from TensorFlow.

`smp` calls them tu-tf_efficientnet_lite0 and so on. TensorFlow pads on the right and below first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

SCALES = {
    "tu-tf_efficientnet_lite0": (1.0, 1.0),
    "tu-tf_efficientnet_lite1": (1.0, 1.1),
    "tu-tf_efficientnet_lite2": (1.1, 1.2),
}
"""Factors of the channels and of the blocks in a stage."""
_EPS = 1e-3
"""Of TensorFlow's batch norms."""
_STEM = 32


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks alike but for the first, which takes the stride and widens to `channels`."""

    blocks: int
    kernel: int
    stride: int
    channels: int


_STAGES = (
    Stage(1, 3, 1, 16),
    Stage(2, 3, 2, 24),
    Stage(2, 5, 2, 40),
    Stage(3, 3, 2, 80),
    Stage(3, 5, 1, 112),
    Stage(4, 5, 2, 192),
    Stage(1, 3, 1, 320),
)
_RUN = {3: 3, 4: 5, 5: 7}
"""Stages that run at each depth."""


def efficientnet_lite(name: str, depth: int) -> EfficientNetLite | None:
    """Return the encoder called `name` with `depth` halvings, None if it is of another family."""
    return EfficientNetLite(*SCALES[name], stages=_RUN[depth]) if name in SCALES else None


class EfficientNetLite(nn.Module):
    """The stem, which halves, and the first `stages` stages.

    Input (N, 3, H, W), H and W divisible by 2**depth; output: a list of the last features alone,
    (N, out_channels, h, w).
    """

    def __init__(self, wider: float, deeper: float, stages: int) -> None:
        super().__init__()
        self.dead: Sequence[str] = [
            f"model.blocks.{index}" for index in range(stages, len(_STAGES))
        ]
        self.out_channels = _STEM
        blocks: list[nn.Module] = []
        for index, stage in enumerate(_STAGES[:stages]):
            ends = index in (0, len(_STAGES) - 1)  # these never grow longer
            count = stage.blocks if ends else math.ceil(stage.blocks * deeper)
            channels = _rounded(stage.channels * wider)
            layers: list[nn.Module] = []
            for number in range(count):
                stride = stage.stride if number == 0 else 1
                kind = Separable if index == 0 else InvertedResidual
                layers.append(kind(self.out_channels, channels, stage.kernel, stride))
                self.out_channels = channels
            blocks.append(nn.Sequential(*layers))
        self.model = nn.ModuleDict(
            {
                "conv_stem": SameConv2d(3, _STEM, 3, stride=2, bias=False),
                "bn1": nn.BatchNorm2d(_STEM, _EPS),
                "blocks": nn.Sequential(*blocks),
            }
        )

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return the features of the last stage."""
        x = functional.relu6(self.model["bn1"](self.model["conv_stem"](images)), inplace=True)
        return [self.model["blocks"](x)]


class Separable(nn.Module):
    """A convolution of each channel, then one across channels."""

    def __init__(self, in_channels: int, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = _depthwise(in_channels, kernel, stride)
        self.bn1 = nn.BatchNorm2d(in_channels, _EPS)
        self.conv_pw = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels, _EPS)
        self.has_skip = stride == 1 and in_channels == channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output."""
        out: torch.Tensor = functional.relu6(self.bn1(self.conv_dw(x)), inplace=True)
        out = self.bn2(self.conv_pw(out))
        return out + x if self.has_skip else out


class InvertedResidual(nn.Module):
    """Six times the channels inside, each convolved alone there, and a shortcut if sizes agree."""

    def __init__(self, in_channels: int, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        inside = 6 * in_channels
        self.conv_pw = nn.Conv2d(in_channels, inside, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inside, _EPS)
        self.conv_dw = _depthwise(inside, kernel, stride)
        self.bn2 = nn.BatchNorm2d(inside, _EPS)
        self.conv_pwl = nn.Conv2d(inside, channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels, _EPS)
        self.has_skip = stride == 1 and in_channels == channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output."""
        out: torch.Tensor = functional.relu6(self.bn1(self.conv_pw(x)), inplace=True)
        out = functional.relu6(self.bn2(self.conv_dw(out)), inplace=True)
        out = self.bn3(self.conv_pwl(out))
        return out + x if self.has_skip else out


class SameConv2d(nn.Conv2d):
    """A convolution of stride 2 over an even size, padded as TensorFlow's "same"."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
        """Return half the size of `input`."""
        total = self.kernel_size[0] - 2
        before, after = total // 2, total - total // 2
        return super().forward(functional.pad(input, (before, after, before, after)))


def _depthwise(channels: int, kernel: int, stride: int) -> nn.Conv2d:
    if stride == 2:
        return SameConv2d(channels, channels, kernel, stride, groups=channels, bias=False)
    return nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False)


def _rounded(channels: float) -> int:
    """Return the nearest multiple of 8, as the paper's code does."""
    return int(channels + 4) // 8 * 8
