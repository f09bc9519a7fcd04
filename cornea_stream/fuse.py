"""Exact algebra on a trained network: the same function with less work.

- Batch norms are folded into the convolutions before them.
- The pyramid's 1×1 convolution over the concatenation [pooled branches, features] is split into a
  sum of convolutions; a 1×1 convolution and a bilinear upsampling commute, so the pooled branches
  are multiplied at their 1×1 to 6×6 size instead of at full size.

Both are equal to the original up to round-off.
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import torch
from segmentation_models_pytorch.base.modules import Conv2dReLU
from segmentation_models_pytorch.encoders.resnet import ResNetEncoder
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval


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


class SplitPyramid(nn.Module):
    """The decoder of `smp.PSPNet` in evaluation mode, its convolution split over its inputs.

    Takes the encoder's features; returns (N, psp_out_channels, h, w).
    """

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        conv = decoder.conv[0]
        self.pools = nn.ModuleList(block.pool for block in decoder.psp.blocks)
        widths = [block.pool[1][0].out_channels for block in decoder.psp.blocks]
        *pooled, direct = conv.weight.split([*widths, conv.in_channels - sum(widths)], dim=1)
        self.direct = _conv1x1(direct, conv.bias)
        self.pooled = nn.ModuleList(_conv1x1(weight, None) for weight in pooled)

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return the pyramid's output for the encoder's deepest features."""
        x = features[-1]
        total: torch.Tensor = self.direct(x)
        for pool, conv in zip(self.pools, self.pooled, strict=True):
            total = total + functional.interpolate(
                conv(pool(x)), size=x.shape[2:], mode="bilinear", align_corners=True
            )
        return functional.relu(total)


def fuse(pspnet: nn.Module) -> nn.Module:
    """Return a copy of an `smp.PSPNet` in eval mode with both rewritings applied.

    Encoders other than ResNets keep their batch norms.
    """
    fused: Any = copy.deepcopy(pspnet).eval()
    if isinstance(fused.encoder, ResNetEncoder):
        fold_batch_norms(fused.encoder)
    for module in fused.decoder.modules():
        if isinstance(module, Conv2dReLU):
            fold_batch_norms(module)
    fused.decoder = SplitPyramid(fused.decoder)
    return fused  # type: ignore[no-any-return]


def _conv1x1(weight: torch.Tensor, bias: torch.Tensor | None) -> nn.Conv2d:
    conv = nn.Conv2d(weight.shape[1], weight.shape[0], 1, bias=bias is not None)
    conv.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        conv.bias = nn.Parameter(bias.detach().clone())
    return conv
