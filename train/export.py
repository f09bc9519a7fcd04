"""Convert checkpoints: pruned .safetensors, the published .pth, ONNX."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from cornea_stream.errors import OutputError, UsageError
from cornea_stream.media.class_name import CLASS_NAME
from cornea_stream.models.checkpoint import Checkpoint, save_checkpoint
from cornea_stream.models.pspnet import build_pspnet
from cornea_stream.storage import atomic_path, output_errors
from cornea_train.network import TrainNet

SUFFIXES = (".safetensors", ".pth", ".onnx")
# Masks depend on the sign of the logits; a difference this small does not change them.
_ONNX_TOLERANCE = 1e-2


def export(checkpoint: Checkpoint, path: Path, *, overwrite: bool = False) -> str:
    """Write `checkpoint` in the format given by the suffix of `path`; return a description.

    .safetensors: without unused layers, with metadata. .pth: a complete plain state dict of
    `smp.PSPNet` for raw 0–255 RGB. .onnx: (N, 3, H, W) float32 raw RGB in, (N, 1, H, W) logits
    out, N variable, compared with PyTorch using onnxruntime.
    Raises UsageError for other suffixes and networks that cannot be exported, and OutputError.
    """
    if path.suffix not in SUFFIXES:
        raise UsageError(f"unknown format: {path.name}: use {', '.join(SUFFIXES)}")
    if path.exists() and not overwrite:
        raise OutputError(f"output exists: {path}: pass overwrite=True or choose another name")
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        metadata = {**checkpoint.metadata, "exported_from": checkpoint.sha256}
        save_checkpoint(path, checkpoint.state_dict, checkpoint.spec, metadata)
        return "without unused layers, with metadata"
    if path.suffix == ".pth":
        return _export_published(checkpoint, path)
    return _export_onnx(checkpoint, path)


def published_state_dict(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    """Return a complete state dict of `smp.PSPNet` for raw 0–255 RGB.

    The input normalization (x - mean) / std is folded into the first convolution and the running
    mean of its batch norm. This is exact except for a border of a few pixels, where the zero
    padding now means black instead of the mean color. Unused layers beyond the depth get fresh
    weights. Raises UsageError for encoders without this stem.
    """
    spec = checkpoint.spec
    if spec.classes > 1:
        raise UsageError(
            f"the published format has one class, and the weights {spec.classes}: export to "
            ".safetensors or .onnx"
        )
    full = build_pspnet(
        spec.encoder_name, encoder_depth=spec.encoder_depth, psp_out_channels=spec.psp_out_channels
    ).state_dict()
    full.update(checkpoint.state_dict)
    weight_key, mean_key = "encoder.conv1.weight", "encoder.bn1.running_mean"
    if weight_key not in full or mean_key not in full:
        raise UsageError(
            f"the published format supports ResNet encoders only: {spec.encoder_name}: "
            "export to .safetensors or .onnx"
        )
    scaled = full[weight_key] / torch.tensor(spec.std).reshape(1, 3, 1, 1)
    offset = (scaled * torch.tensor(spec.mean).reshape(1, 3, 1, 1)).sum(dim=(1, 2, 3))
    full[weight_key], full[mean_key] = scaled, full[mean_key] + offset
    return full


def _export_published(checkpoint: Checkpoint, path: Path) -> str:
    try:
        with atomic_path(path) as temporary:
            torch.save(published_state_dict(checkpoint), temporary)
    except RuntimeError as err:  # PyTorch wraps errors of the system
        raise OutputError(
            f"cannot write output: {path}: {err}: check free space and permissions"
        ) from err
    name = checkpoint.spec.class_name
    lost = "" if name == CLASS_NAME else f"; this format does not hold the name {name}"
    return f"plain state dict of smp.PSPNet for raw 0–255 RGB{lost}"


class _OnnxNet(nn.Module):
    """The network with channels-first input, as other runtimes expect."""

    def __init__(self, network: TrainNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.network(images.permute(0, 2, 3, 1)))


class _FixedPool(nn.Module):
    """Adaptive average pooling to n×n for a fixed input size, as two matrix products.

    ONNX has no adaptive pooling, and its ordinary pooling requires windows of equal size.
    """

    rows: torch.Tensor
    columns: torch.Tensor

    def __init__(self, size: int, height: int, width: int) -> None:
        super().__init__()
        pool = nn.AdaptiveAvgPool1d(size)
        self.register_buffer("rows", pool(torch.eye(height)).T.contiguous())
        self.register_buffer("columns", pool(torch.eye(width)).contiguous())

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.rows @ features @ self.columns


def _export_onnx(checkpoint: Checkpoint, path: Path) -> str:
    try:
        import onnx  # noqa: F401
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as err:
        raise UsageError(
            f"ONNX export needs {err.name}: pip install 'cornea-stream[onnx]'"
        ) from err
    height, width = checkpoint.spec.image_size
    pspnet: Any = checkpoint.build()
    _fix_pools(pspnet, height, width, 2**checkpoint.spec.encoder_depth)
    model = _OnnxNet(TrainNet(pspnet, checkpoint.spec)).eval()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 3, height, width)).astype(np.float32)
    with atomic_path(path) as temporary:
        with contextlib.redirect_stdout(None):
            torch.onnx.export(
                model,
                (torch.from_numpy(images),),
                str(temporary),
                input_names=["images"],
                output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=256)},),
                external_data=False,
                dynamo=True,
                verbose=False,
            )
        session = onnxruntime.InferenceSession(str(temporary), providers=["CPUExecutionProvider"])
        (found,) = session.run(None, {"images": images[:1]})
        with torch.inference_mode():
            expected = model(torch.from_numpy(images[:1])).numpy()
        difference = float(np.abs(found - expected).max())
        if difference > _ONNX_TOLERANCE:
            raise OutputError(
                f"ONNX output differs from PyTorch by up to {difference:.3g}: {path}: try "
                "another version of onnxruntime"
            )
    return f"checked with onnxruntime: logits differ from PyTorch by {difference:.1e} at most"


def _fix_pools(pspnet: Any, height: int, width: int, stride: int) -> None:
    for block in pspnet.decoder.psp.blocks:
        size = block.pool[0].output_size
        side = size if isinstance(size, int) else size[0]
        block.pool[0] = _FixedPool(side, height // stride, width // stride)
