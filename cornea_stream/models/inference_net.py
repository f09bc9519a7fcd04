"""The networks of our checkpoints without segmentation-models-pytorch, for inference alone.

`smp` defines them and trains them. Its import takes longer than everything else that a start
needs, so inference builds the same layers here, under the same names and equal bit for bit. An
encoder family is a file of its own with one function, listed in `_FAMILIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import torch
from torch import nn
from torch.nn import functional

from cornea_stream.models.class_head import set_class_head
from cornea_stream.models.efficientnet_lite import efficientnet_lite
from cornea_stream.models.pspnet import ModelSpec
from cornea_stream.models.resnet import resnet

GRIDS = (1, 2, 3, 6)
"""Cells on each side of the pyramid's pooled branches."""


class Encoder(Protocol):
    """A module from (N, 3, H, W) images to a list of features, as those of `smp` are.

    The list may hold the last alone, (N, out_channels, H / 2**depth, W / 2**depth). Batch norms
    are registered right after the convolutions that they follow, so that they can be folded.
    """

    out_channels: int
    dead: Sequence[str]
    """Modules of the encoder in `smp` that never run at this depth, and are not built here."""

    def __call__(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return the features of `images`."""
        ...


_FAMILIES: tuple[Callable[[str, int], Encoder | None], ...] = (resnet, efficientnet_lite)


def build_inference_net(spec: ModelSpec) -> InferenceNet | None:
    """Return the network of `spec` with unset weights, None for an encoder that only `smp` has."""
    with torch.device("meta"):  # weights come from a file: making random ones takes time
        for family in _FAMILIES:
            if encoder := family(spec.encoder_name, spec.encoder_depth):
                net = InferenceNet(encoder, spec)
                set_class_head(net, spec)
                break
        else:
            return None
    return net.to_empty(device="cpu")


class InferenceNet(nn.Module):
    """`smp.PSPNet` with one class in evaluation mode, without the layers that never run.

    Input (N, 3, H, W) float, H and W divisible by 2**depth; output (N, 1, H, W) logits.
    """

    def __init__(self, encoder: Encoder, spec: ModelSpec) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = Pyramid(encoder.out_channels, spec.psp_out_channels)
        self.segmentation_head = nn.Sequential(
            nn.Conv2d(spec.psp_out_channels, 1, 3, padding=1),
            nn.Upsample(scale_factor=2**spec.encoder_depth, mode="bilinear", align_corners=True),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits of `images`."""
        logits: torch.Tensor = self.segmentation_head(self.decoder(self.encoder(images)))
        return logits

    def fill(self, state_dict: Mapping[str, torch.Tensor]) -> None:
        """Load the weights of an `smp.PSPNet`, leaving out layers that never run.

        Raises RuntimeError when names or shapes do not fit.
        """
        dead = tuple(f"encoder.{name}." for name in self.encoder.dead)
        self.load_state_dict({k: v for k, v in state_dict.items() if not k.startswith(dead)})


class Pyramid(nn.Module):
    """Pooled context of four grid sizes beside the features, mixed by a 1×1 convolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        width = in_channels // len(GRIDS)
        branches = [Branch(in_channels, width, grid) for grid in GRIDS]
        self.psp = nn.ModuleDict({"blocks": nn.ModuleList(branches)})
        self.conv = _conv1x1(2 * in_channels, out_channels, norm=True)

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return (N, out_channels, h, w) for last features of (N, in_channels, h, w)."""
        x = features[-1]
        pooled = [branch(x) for branch in self.psp["blocks"].children()]
        mixed: torch.Tensor = self.conv(torch.cat([*pooled, x], dim=1))
        return mixed


class Branch(nn.Module):
    """Features averaged over a grid of cells, convolved, and interpolated back to their size."""

    def __init__(self, in_channels: int, out_channels: int, grid: int) -> None:
        super().__init__()
        # A batch norm over a single cell cannot be trained, so there is none.
        convolution = _conv1x1(in_channels, out_channels, norm=grid > 1)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(grid), convolution)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (N, out_channels, h, w) for (N, in_channels, h, w)."""
        size = features.shape[2:]
        return functional.interpolate(
            self.pool(features), size, mode="bilinear", align_corners=True
        )


def _conv1x1(in_channels: int, out_channels: int, *, norm: bool) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, bias=not norm),
        nn.BatchNorm2d(out_channels) if norm else nn.Identity(),
        nn.ReLU(inplace=True),
    )
