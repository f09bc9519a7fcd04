"""A PSPNet as the engines run it: bytes in, small logits out."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from cornea_stream.models.pspnet import ModelSpec


class CorneaNet(nn.Module):
    """A PSPNet for inference: RGB bytes in, low-resolution logits out.

    Input (N, H, W, 3) uint8 RGB; output (N, 1, H / 2**depth, W / 2**depth) logits in the dtype of
    the weights. The final upsampling is left to `mask.upsample_logits`, which does it once and on
    the small side of the transfer from the device.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, model: nn.Module, spec: ModelSpec) -> None:
        super().__init__()
        network: Any = model
        self.encoder = network.encoder
        self.decoder = network.decoder
        self.classifier = network.segmentation_head[0]
        self.normalize = spec.mean != (0.0, 0.0, 0.0) or spec.std != (1.0, 1.0, 1.0)
        shape = (1, 3, 1, 1)
        self.register_buffer("mean", torch.tensor(spec.mean).reshape(shape), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).reshape(shape), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits of `images` before the final upsampling."""
        dtype = self.classifier.weight.dtype
        # A byte is exact in bf16 (8 significant bits), so raw input loses nothing by the cast.
        x = images.permute(0, 3, 1, 2).to(dtype)
        if self.normalize:
            x = ((x.float() - self.mean.float()) / self.std.float()).to(dtype)
        logits: torch.Tensor = self.classifier(self.decoder(self.encoder(x)))
        return logits
