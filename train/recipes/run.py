"""A training run of the default weights: network, moving average, optimizer, state on disk."""

from __future__ import annotations

import argparse
import copy
import logging
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from cornea_stream.models.checkpoint import load_checkpoint, save_checkpoint
from cornea_stream.models.pspnet import ModelSpec, build_pspnet, prune_dead_layers
from cornea_train.losses import CorneaLoss
from cornea_train.network import slow_convolutions_in_float32
from cornea_train.pretrained import LITE_MEAN, LITE_STD, lite_encoder_name, load_lite
from cornea_train.recipes.frames import Image

ENCODER_RATE = 0.3
"""Learning rate of the encoder over that of the rest, which starts from nothing."""
EDGE_WEIGHT = 0.4
DECAY = 0.998
log = logging.getLogger("default_weights")


def edge_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy along the edge of (N, 1, H, W) 0/1 targets, scalar.

    The band is a sixteenth of the height wide. There the place of the outline is decided, which
    Dice and focal loss leave loose by a percent or two.
    """
    reach = target.shape[-2] // 32 * 2 + 1
    near = target
    for size in ((1, reach), (reach, 1)):  # a square at once costs more than twice as much
        margin = (size[0] // 2, size[1] // 2)
        near = functional.avg_pool2d(near, size, 1, margin, count_include_pad=False)
    weight = 4 * near * (1 - near)
    terms = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (weight * terms).sum() / weight.sum().clamp(min=1)


def initial_network(options: argparse.Namespace) -> tuple[nn.Module, ModelSpec]:
    """Return the network to begin with, from a checkpoint or on ImageNet's encoder weights."""
    if options.start:
        checkpoint = load_checkpoint(options.start)
        return checkpoint.build(), replace(checkpoint.spec, image_size=options.size)
    encoder = lite_encoder_name(options.encoder)
    model: Any = build_pspnet(encoder, encoder_depth=options.depth, psp_out_channels=options.width)
    load_lite(model.encoder, options.encoder)
    spec = ModelSpec(encoder, options.depth, options.width, options.size, LITE_MEAN, LITE_STD)
    return prune_dead_layers(model), spec


class Run:
    """A training run: network, its moving average, optimizer, clock."""

    def __init__(self, options: argparse.Namespace) -> None:
        torch.manual_seed(options.seed)
        self.options = options
        self.device = torch.device(options.device)
        network, self.spec = initial_network(options)
        network = network.to(self.device).to(memory_format=torch.channels_last)
        self.model, self.average = network, copy.deepcopy(network).eval()
        if self.device.type == "cpu":
            slow_convolutions_in_float32(self.model)
        encoder, rest = _parameters(self.model)
        self.optimizer = torch.optim.AdamW(
            [{"params": encoder, "share": ENCODER_RATE}, {"params": rest, "share": 1.0}],
            lr=options.lr,
        )
        self.loss = CorneaLoss(0.5, 0.5)
        self.mean = torch.tensor(self.spec.mean, device=self.device).view(1, 3, 1, 1)
        self.std = torch.tensor(self.spec.std, device=self.device).view(1, 3, 1, 1)
        self.steps = self.images = 0
        self.spent, self.since = 0.0, time.monotonic()
        if self.state_path.exists():
            self._resume()

    @property
    def state_path(self) -> Path:
        """Where the state is kept from which the same command goes on."""
        return Path(self.options.out).with_suffix(".state.pth")

    @property
    def seconds(self) -> float:
        """Seconds of training, those before an interruption included."""
        return self.spent + time.monotonic() - self.since

    @property
    def progress(self) -> float:
        """Share of the run that is done, by images when given, else by the clock."""
        if self.options.images:
            return float(self.images / self.options.images)
        return float(self.seconds / (60 * self.options.minutes))

    def step(self, images: torch.Tensor, masks: torch.Tensor) -> float:
        """Take one optimizer step on (N, H, W, 3) and (N, H, W) uint8; return the loss."""
        warm = min(1.0, (self.steps + 1) / 100)
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, self.progress)))
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.lr * group["share"] * warm * (0.01 + 0.99 * cosine)
        target = (masks.to(self.device)[:, None] > 0).float()
        with torch.autocast(self.device.type, torch.bfloat16):
            logits = self.model(self._normalized(images))
        logits = logits.float()
        loss = self.loss(logits, target) + EDGE_WEIGHT * edge_loss(logits, target)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.steps += 1
        self.images += len(images)
        self._follow(min(DECAY, self.steps / (self.steps + 10)))
        return float(loss.detach())

    @torch.inference_mode()
    def segment(self, image: Image) -> Image:
        """Return the (H, W) mask of an (H, W, 3) frame by the averaged weights."""
        height, width = self.options.size
        squashed = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        with torch.autocast(self.device.type, torch.bfloat16):
            logits = self.average(self._normalized(torch.from_numpy(squashed)[None]))
        wide = (image.shape[1], image.shape[0])
        smooth = cv2.resize(logits[0, 0].float().cpu().numpy(), wide)
        return np.where(smooth > 0, 255, 0).astype(np.uint8)

    def _normalized(self, images: torch.Tensor) -> torch.Tensor:
        pixels = images.to(self.device).permute(0, 3, 1, 2).float()
        return ((pixels - self.mean) / self.std).contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def _follow(self, decay: float) -> None:
        current = self.model.state_dict()
        for name, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(current[name], 1 - decay)
            else:
                value.copy_(current[name])

    def save(self, results: dict[str, Any]) -> None:
        """Write the averaged weights with what they were trained on, and the state to go on."""
        options = self.options
        metadata = {
            "images": self.images,
            "steps": self.steps,
            "minutes": round(self.seconds / 60, 1),
            "seed": options.seed,
            "started_from": str(options.start.name if options.start else options.encoder),
            "held_out": list(options.held_out),
            **results,
        }
        save_checkpoint(options.out, self.average.state_dict(), self.spec, metadata)
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "counts": [self.steps, self.images, self.seconds],
        }
        partial = self.state_path.with_suffix(".part")
        torch.save(state, partial)
        partial.replace(self.state_path)

    def _resume(self) -> None:
        state = torch.load(self.state_path, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.steps, self.images, self.spent = state["counts"]
        log.info("going on after %d images and %.0f minutes", self.images, self.spent / 60)


def _parameters(model: Any) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return the parameters of the encoder, and the others."""
    encoder = list(model.encoder.parameters())
    known = {id(p) for p in encoder}
    return encoder, [p for p in model.parameters() if id(p) not in known]
