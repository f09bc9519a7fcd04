"""ResNet encoders (He et al. 2015) in plain torch, with the names that torchvision gave the layers.

`smp` builds the same ones of torchvision's ResNet; importing those two takes longer than a frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from cornea_stream.models.infer_spec import BASIC_RESNETS, BOTTLENECK_RESNETS


def resnet(name: str, depth: int) -> ResNet | None:
    """Return the encoder called `name` with `depth` halvings, None if it is of another family."""
    if name in BASIC_RESNETS:
        return ResNet(BasicBlock, BASIC_RESNETS[name][: depth - 1])
    if name in BOTTLENECK_RESNETS:
        return ResNet(Bottleneck, BOTTLENECK_RESNETS[name][: depth - 1])
    return None


class ResNet(nn.Module):
    """The stem, which halves twice, and one stage for each entry of `blocks`.

    Input (N, 3, H, W); output: a list of the last features alone, (N, out_channels, h, w).
    """

    def __init__(self, block: type[BasicBlock | Bottleneck], blocks: Sequence[int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.dead: Sequence[str] = [f"layer{number}" for number in range(len(blocks) + 1, 5)]
        self.stages = [f"layer{number}" for number in range(1, len(blocks) + 1)]
        self.out_channels = 64
        for index, (stage, count) in enumerate(zip(self.stages, blocks, strict=True)):
            width, stride = 64 * 2**index, 1 if index == 0 else 2
            layers: list[nn.Module] = []
            for number in range(count):
                layers.append(block(self.out_channels, width, stride if number == 0 else 1))
                self.out_channels = width * block.expansion
            self.add_module(stage, nn.Sequential(*layers))

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return the features of the last stage."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for stage in self.stages:
            x = self.get_submodule(stage)(x)
        return [x]


class BasicBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(in_channels, width, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x if self.downsample is None else self.downsample(x)
        return functional.relu(out, inplace=True)


class Bottleneck(nn.Module):
    """A 3×3 convolution between two 1×1 ones, beside a shortcut; the 3×3 one takes the stride."""

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        out_channels = width * self.expansion
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(in_channels, out_channels, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return functional.relu(out, inplace=True)


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module | None:
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
    )
