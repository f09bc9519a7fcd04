"""Exact algebra on a trained network: the same function with less work.

- Batch norms are folded into the convolutions before them.
- The pyramid's 1×1 convolution over the concatenation [pooled branches, features] is split into a
  sum of convolutions; a 1×1 convolution and a bilinear upsampling commute, so the pooled branches
  are multiplied at their 1×1 to 6×6 size instead of at full size.

Both are equal to the original up to round-off. `pad_evenly` does a third for PyTorch on a CPU,
which copies a picture to pad it on one side more than on the other.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from cornea_stream.models.efficientnet_lite import SameConv2d
from cornea_stream.models.inference_net import InferenceNet


def fold_batch_norms(module: nn.Module) -> nn.Module:
    """Fold every batch norm that follows a convolution, in place; `module` must be in eval mode.

    Only pairs that are registered one after the other count, as ResNets and the decoder have them.
    """
    children = list(module.named_children())
    for (name, conv), (norm_name, norm) in pairwise(children):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(conv, norm))
            setattr(module, norm_name, nn.Identity())
    for _, child in module.named_children():
        fold_batch_norms(child)
    return module


def pad_evenly(module: nn.Module) -> nn.Module:
    """Give kernels of TensorFlow's "same" padding a first row and column of zeros, in place.

    With those, the same padding on all sides does what one more on the right and below did.
    """
    for name, child in module.named_children():
        if isinstance(child, SameConv2d):
            setattr(module, name, _evenly_padded(child))
        else:
            pad_evenly(child)
    return module


def _evenly_padded(conv: SameConv2d) -> nn.Conv2d:
    kernel = conv.kernel_size[0]
    even = nn.Conv2d(
        conv.in_channels, conv.out_channels, kernel + 1, conv.stride, (kernel - 1) // 2,  # type: ignore[arg-type]
        groups=conv.groups, bias=False,
    )  # fmt: skip
    even.weight = nn.Parameter(functional.pad(conv.weight.detach(), (1, 0, 1, 0)))
    even.bias = conv.bias
    return even


class SplitPyramid(nn.Module):
    """The decoder of `smp.PSPNet` in evaluation mode, its convolution split over its inputs.

    Takes the encoder's features; returns (N, psp_out_channels, h, w). Pooling to n×n and bilinear
    upsampling from n×n are linear, so both are products with fixed matrices; those of all branches
    stand in one, and one product upsamples and adds them up.
    """

    pooling: torch.Tensor
    upsampling: torch.Tensor

    def __init__(self, decoder: Any, feature_size: tuple[int, int]) -> None:
        """Split `decoder` for features of (height, width) `feature_size`."""
        super().__init__()
        conv = decoder.conv[0]
        blocks = [block.pool for block in decoder.psp.blocks]
        self.grids = [_grid(pool[0].output_size) for pool in blocks]
        widths = [pool[1][0].out_channels for pool in blocks]
        *pooled, direct = conv.weight.split([*widths, conv.in_channels - sum(widths)], dim=1)
        self.direct = _conv1x1(direct, conv.bias)
        self.branches = nn.ModuleList(
            nn.Sequential(*pool[1:], _conv1x1(weight, None))
            for pool, weight in zip(blocks, pooled, strict=True)
        )
        pooling, upsampling = _matrices(self.grids, feature_size)
        self.register_buffer("pooling", pooling, persistent=False)
        self.register_buffer("upsampling", upsampling, persistent=False)

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return the pyramid's output for the encoder's deepest features."""
        x = features[-1]
        cells = x.flatten(2) @ self.pooling
        counts = [rows * columns for rows, columns in self.grids]
        found = [
            branch(part.reshape(*x.shape[:2], *grid)).flatten(2)
            for branch, part, grid in zip(
                self.branches, torch.split(cells, counts, dim=2), self.grids, strict=True
            )
        ]
        direct: torch.Tensor = self.direct(x)
        pooled = (torch.cat(found, dim=2) @ self.upsampling).reshape(direct.shape)
        return functional.relu(direct + pooled, inplace=True)


def fuse(pspnet: nn.Module, image_size: tuple[int, int]) -> nn.Module:
    """Return a copy of an `InferenceNet` or `smp.PSPNet` in eval mode with both rewritings applied.

    It takes images of (height, width) `image_size` only. Encoders of `smp` keep their batch norms:
    not all register them next to their convolutions.
    """
    fused: Any = copy.deepcopy(pspnet).eval()
    fold_batch_norms(fused if isinstance(fused, InferenceNet) else fused.decoder)
    stride = int(fused.segmentation_head[1].scale_factor)
    size = (image_size[0] // stride, image_size[1] // stride)
    fused.decoder = SplitPyramid(fused.decoder, size)
    return fused  # type: ignore[no-any-return]


def _conv1x1(weight: torch.Tensor, bias: torch.Tensor | None) -> nn.Conv2d:
    conv = nn.Conv2d(weight.shape[1], weight.shape[0], 1, bias=bias is not None)
    conv.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        conv.bias = nn.Parameter(bias.detach().clone())
    return conv


def _grid(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def _matrices(
    grids: Sequence[tuple[int, int]], size: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pooling, (height·width, cells of all grids), and upsampling, its counterpart back."""
    # Both work on rows and columns apart, so each matrix is a product of two small ones.
    pooling = [
        torch.kron(
            *(
                functional.adaptive_avg_pool1d(torch.eye(side)[:, None], cells)[:, 0]
                for side, cells in zip(size, grid, strict=True)
            )
        )
        for grid in grids
    ]
    upsampling = [
        torch.kron(
            *(
                functional.interpolate(
                    torch.eye(cells)[:, None], side, mode="linear", align_corners=True
                )[:, 0]
                for side, cells in zip(size, grid, strict=True)
            )
        )
        for grid in grids
    ]
    return torch.cat(pooling, dim=1), torch.cat(upsampling)
