"""Converts PyTorch networks to OpenVINO."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import torch

from cornea_stream.models.checkpoint import Checkpoint
from cornea_stream.models.cornea_net import CorneaNet
from cornea_stream.models.fuse import fuse

# The converter loads NNCF's part for PyTorch if NNCF is there. It looks for a compiler of CUDA, and
# torch says on the terminal if there is one but no GPU.
logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)


def convert(openvino: Any, checkpoint: Checkpoint) -> Any:
    """Return the network as an OpenVINO model: (?, H, W, 3) uint8 RGB in, (?, 1, h, w) out."""
    spec = checkpoint.spec
    network = CorneaNet(fuse(checkpoint.build_for_inference(), spec.image_size), spec).eval()
    height, width = spec.image_size
    example = torch.zeros((1, height, width, 3), dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns about fixed shapes
        return openvino.convert_model(
            network, example_input=example, input=[(-1, height, width, 3)]
        )
