"""The network to train: 0–255 input, encoder weights by name or file, no unused layers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cornea_stream.errors import CheckpointError, UsageError
from cornea_stream.media.class_name import CLASS_NAME, as_class_name
from cornea_stream.models.checkpoint import load_checkpoint
from cornea_stream.models.pspnet import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ModelSpec,
    build_pspnet,
    prune_dead_layers,
)
from cornea_train.config import Encoder, TrainConfig
from cornea_train.pretrained import LITE, LITE_MEAN, LITE_STD, lite_encoder_name, load_lite

IMAGE_SIZE = 512
"""Side length of the published recipe's input in pixels."""


class TrainNet(nn.Module):
    """A PSPNet that takes (N, H, W, 3) uint8 RGB and returns (N, 1, H, W) logits."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, pspnet: nn.Module, spec: ModelSpec) -> None:
        super().__init__()
        self.pspnet = pspnet
        shape = (1, 3, 1, 1)
        self.register_buffer("mean", torch.tensor(spec.mean).reshape(shape), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).reshape(shape), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits of `images`."""
        pixels = images.permute(0, 3, 1, 2).float()
        normalized = ((pixels - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        return torch.as_tensor(self.pspnet(normalized))


def settled(config: TrainConfig) -> tuple[TrainConfig, list[str]]:
    """Return the settings without those left to the recipe, and what is odd about them, in words.

    Raises CheckpointError for unusable `init`, UsageError for a size that does not fit it.
    """
    config = config.completed()
    if config.init is None:
        size = config.input_size if config.image_size else (IMAGE_SIZE, IMAGE_SIZE)
        return _without_wrong_mix(replace(config, image_size=size), [])
    checkpoint = load_checkpoint(config.init)
    spec, notes = checkpoint.spec, list(checkpoint.notes)
    size = config.input_size if config.image_size else spec.image_size
    own = "x".join(map(str, spec.image_size))
    try:
        ModelSpec.from_dict({**spec.to_dict(), "image_size": size})
    except ValueError as err:
        raise UsageError(f"{err}: use image_size={own}, as the weights of init") from err
    if size != spec.image_size:
        notes.append(
            f"image_size is {size[0]}x{size[1]}, and the weights of init are made for {own}: they "
            "lose at another size: leave it out"
        )
    if checkpoint.doubt:
        notes.append(f"{checkpoint.doubt}, with cornea-stream export, and fine-tune the result")
    return _without_wrong_mix(replace(config, image_size=size), notes)


def _without_wrong_mix(config: TrainConfig, notes: list[str]) -> tuple[TrainConfig, list[str]]:
    name = class_name_of(config)
    if not config.mix_generated or as_class_name(name) == CLASS_NAME:
        return config, notes
    note = f"generated frames show corneas, so none are mixed in for {name}"
    return replace(config, mix_generated=0.0), [*notes, note]


def build_network(config: TrainConfig) -> tuple[TrainNet, ModelSpec]:
    """Return the initialized network of a run and the spec for its checkpoints.

    Raises CheckpointError if weights cannot be fetched or do not fit, and UsageError for an
    unknown encoder.
    """
    size = config.input_size
    if config.init is not None:
        checkpoint = load_checkpoint(config.init)
        name = as_class_name(class_name_of(config))
        spec = replace(checkpoint.spec, image_size=size, class_name=name)
        return TrainNet(_with_dropout(checkpoint.build(), config.dropout), spec), spec
    encoder = config.encoder
    lite = encoder.weights in LITE
    mean, std = (LITE_MEAN, LITE_STD) if lite else (IMAGENET_MEAN, IMAGENET_STD)
    name = as_class_name(class_name_of(config))
    spec = ModelSpec(encoder.name, encoder.depth, 512, size, mean, std, name)
    pspnet = prune_dead_layers(_initialized(encoder))
    freeze_unused(pspnet, max(size))
    return TrainNet(_with_dropout(pspnet, config.dropout), spec), spec


def class_name_of(config: TrainConfig) -> str:
    """Return the structure to train for: as configured, else that of `init`, else the cornea.

    Raises CheckpointError.
    """
    if config.class_name is not None:
        return config.class_name
    return CLASS_NAME if config.init is None else load_checkpoint(config.init).spec.class_name


def _with_dropout(pspnet: nn.Module, share: float) -> nn.Module:
    for module in pspnet.modules():
        if isinstance(module, nn.Dropout2d):
            module.p = share
    return pspnet


def _initialized(encoder: Encoder) -> nn.Module:
    weights = encoder.weights
    if weights in LITE:
        return _on_lite(encoder)
    named = weights if weights != "none" and not Path(weights).exists() else None
    if named is not None and ("/" in named or named.endswith((".pth", ".pt", ".safetensors"))):
        raise CheckpointError(f"encoder weights not found: {named}: check encoder_weights")
    try:
        model = build_pspnet(encoder.name, encoder_depth=encoder.depth, encoder_weights=named)
    except (ValueError, NotImplementedError) as err:
        raise UsageError(f"encoder cannot be built: {encoder.name}: {err}: try resnet101") from err
    except Exception as err:  # the client of the hub raises errors from several libraries
        raise CheckpointError(
            f"encoder weights cannot be fetched: {named} for {encoder.name} "
            f"({type(err).__name__}): connect to the internet once, or use "
            "encoder_weights=none or the path of a file"
        ) from err
    if named is None and weights != "none":
        load_encoder(model, Path(weights))
    return model


def _on_lite(encoder: Encoder) -> nn.Module:
    expected = lite_encoder_name(encoder.weights)
    if encoder.name != expected:
        raise UsageError(
            f"encoder weights {encoder.weights} fit another encoder: {encoder.name}: "
            f"use encoder_name={expected}"
        )
    model = build_pspnet(expected, encoder_depth=encoder.depth)
    load_lite(model.encoder, encoder.weights)
    return model


def load_encoder(model: Any, path: Path) -> None:
    """Load a state dict with the key names of torchvision or of a PSPNet encoder.

    Keys of layers that this encoder does not have (such as a classifier) are ignored.
    Raises CheckpointError if the file cannot be read or layers are missing.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        given = content.get("model", content.get("state_dict", content))
        given = {k.removeprefix("encoder."): v for k, v in given.items()}
        wanted = model.encoder.state_dict()
        missing = [k for k in wanted if k not in given and not k.endswith("num_batches_tracked")]
        if missing:
            raise ValueError(f"{len(missing)} of {len(wanted)} tensors are missing: {missing[0]}")
        kept = {k: v for k, v in given.items() if k in wanted}
        model.encoder.load_state_dict({**wanted, **kept})
    except Exception as err:  # torch.load fails in many ways on a wrong file
        raise CheckpointError(
            f"not encoder weights: {path}: {' '.join(str(err).split())[:200]}: expected a state "
            "dict of this encoder"
        ) from err


def freeze_unused(model: nn.Module, image_size: int) -> None:
    """Exclude parameters from training that the output does not depend on.

    Encoders other than ResNets keep layers beyond their depth, but distributed training requires
    a gradient for every trainable parameter.
    """
    side = max(64, image_size // 4 // 32 * 32)
    was_training = model.training
    model.eval()
    model(torch.zeros(1, 3, side, side)).sum().backward()
    model.train(was_training)
    for parameter in model.parameters():
        parameter.requires_grad_(parameter.grad is not None)
        parameter.grad = None


def slow_convolutions_in_float32(model: nn.Module) -> None:
    """Take depthwise convolutions that are strided or 5×5 out of autocast, in place.

    On CPUs their backward pass in bf16 is three to five times slower than in fp32, and half of
    the time of a step.
    """
    for module in model.modules():
        if not isinstance(module, nn.Conv2d) or module.groups == 1:
            continue
        if module.kernel_size[0] > 3 or module.stride[0] > 1:
            plain = module.forward
            module.forward = functools.partial(_in_float32, plain)  # type: ignore[method-assign]


def _in_float32(forward: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    with torch.autocast(x.device.type, enabled=False):
        return forward(x.float())
