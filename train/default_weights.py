"""Train the weights that come with the package, from scratch, on generated frames.

    python -m cornea_train.default_weights --minutes 60 --real DIR

Generated frames carry most of the training; with `--real` a share comes from annotated frames in
the folder layout of Cataract-1K, of which the surgeries in HELD_OUT are only measured on. The
input is raw 0–255 RGB squashed to a square. Sizes grow from coarse to fine, so that most of the
steps are cheap. `--steps` makes the run repeatable; `--minutes` fits it to a clock.
"""

from __future__ import annotations

import argparse
import copy
import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from segmentation_models_pytorch.losses import DiceLoss, FocalLoss
from torch import nn
from torch.utils.data import DataLoader, Dataset

from cornea_stream.models.checkpoint import load_checkpoint, save_checkpoint
from cornea_stream.models.pspnet import ModelSpec, build_pspnet
from cornea_stream.synthetic import generate_empty, generate_frame
from cornea_stream.synthetic.camera import develop
from cornea_stream.synthetic.instruments import make_instrument
from cornea_stream.synthetic.shapes import Ellipse
from cornea_train.dataset import find_pairs, load_pair

HELD_OUT = ("case_5014", "case_fig08", "case_fig09", "case_fig10", "case_fig11")
VALIDATION_SEED = 2**40
DEFAULT_OUT = Path("model_weights/cornea_default.safetensors")
# The outlines of the small figure frames were drawn beside their pictures: they lie this share of
# the width right of the limbus, alike in all of them; that of one frame misses the limbus.
FIGURE_CASES, FIGURE_OFFSET, MISDRAWN = "case_fig", 0.0184, ("case_fig02",)
EMPTY_SHARE = 0.08

Image = npt.NDArray[np.uint8]
Pair = tuple[Image, Image]
log = logging.getLogger("default_weights")


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of training: its end as a share of the run, and input size as a share of full."""

    until: float
    scale: float
    batch: int


PHASES = (Phase(0.25, 0.625, 32), Phase(0.6, 0.75, 24), Phase(1.0, 1.0, 16))


class Frames(Dataset[Pair]):
    """Endless training samples: (S, S, 3) uint8 RGB and (S, S) uint8 0 or 255, set by the index."""

    def __init__(self, size: int, options: argparse.Namespace, real: list[Pair]) -> None:
        self.size, self.seed, self.real = size, options.seed, real
        self.camera: bool = options.camera
        self.until_real = EMPTY_SHARE + (options.real_share if real else 0)

    def __len__(self) -> int:
        return 2**31

    def __getitem__(self, index: int) -> Pair:
        cv2.setNumThreads(1)
        rng = np.random.default_rng((self.seed, self.size, index))
        kind, seed = rng.random(), int(rng.integers(2**39))
        if kind < EMPTY_SHARE:
            empty = generate_empty(seed, self.size, self.size)
            return empty, np.zeros((self.size, self.size), np.uint8)
        if kind < self.until_real:
            return augment(rng, self.real[rng.integers(len(self.real))], self.size, self.camera)
        return generate_frame(seed, self.size, self.size, camera=self.camera)


def augment(rng: np.random.Generator, pair: Pair, size: int, camera: bool = True) -> Pair:
    """Return the real frame and mask turned, zoomed, squeezed, recolored, with instruments."""
    image, mask = pair
    height, width = mask.shape
    angle = rng.normal(0, 0.25) + (math.pi if rng.random() < 0.3 else 0)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    zoom = np.exp(rng.normal(0.05, 0.25) + rng.normal(0, 0.08, 2))
    flip = np.array([rng.choice([-1, 1]), 1])
    linear = turn @ np.diag(zoom * flip * size / np.array([width, height]))
    center = np.array([width, height]) / 2
    shift = size / 2 + rng.normal(0, 0.08, 2) * size - linear @ center
    matrix = np.column_stack([linear, shift])
    border = cv2.BORDER_REFLECT if rng.random() < 0.5 else cv2.BORDER_CONSTANT
    image = np.asarray(cv2.warpAffine(image, matrix, (size, size), borderMode=border), np.uint8)
    mask = np.asarray(cv2.warpAffine(mask, matrix, (size, size), flags=cv2.INTER_NEAREST), np.uint8)
    for _ in range(int(rng.integers(0, 3))):
        make_instrument(rng, Ellipse(size / 2, size / 2, size / 4, size / 4, 0.0)).draw(image)
    return develop(rng, image) if camera else image, mask


def read_real(
    folder: Path, held_out_cases: Sequence[str] = HELD_OUT
) -> tuple[list[Pair], list[Pair]]:
    """Return the (training, held-out) pairs below a folder in the layout of Cataract-1K."""
    training: list[Pair] = []
    held_out: list[Pair] = []
    for pair in find_pairs(folder)[0]:
        if pair.case in MISDRAWN:
            continue
        image, mask = load_pair(pair)
        sample = image, registered(pair.case, mask)
        (held_out if pair.case in held_out_cases else training).append(sample)
    return training, held_out


def registered(case: str, mask: Image) -> Image:
    """Return the (H, W) mask laid onto its picture, for the surgeries where it lies beside it."""
    if not case.startswith(FIGURE_CASES):
        return mask
    return np.roll(mask, -round(FIGURE_OFFSET * mask.shape[1]), axis=1)


def generated(count: int, size: int) -> Iterator[Pair]:
    """Yield `count` generated pairs that training never sees."""
    return (generate_frame(VALIDATION_SEED + i, size, size) for i in range(count))


@torch.inference_mode()
def predict(model: nn.Module, image: Image, size: int, device: str) -> npt.NDArray[np.bool_]:
    """Return the (H, W) mask of an (H, W, 3) frame: squash to a square, threshold, stretch."""
    squashed = np.asarray(cv2.resize(image, (size, size)), np.uint8)
    batch = torch.from_numpy(squashed).permute(2, 0, 1)[None].to(device)
    with torch.autocast(device, torch.bfloat16):
        logits = model(batch.float().contiguous(memory_format=torch.channels_last))
    found = (logits[0, 0].float() > 0).cpu().numpy().astype(np.uint8)
    shape = (image.shape[1], image.shape[0])
    return np.asarray(cv2.resize(found, shape, interpolation=cv2.INTER_NEAREST), bool)


def mean_iou(model: nn.Module, pairs: Iterator[Pair], size: int, device: str) -> float:
    """Return the mean IoU over the pairs, NaN when there are none."""
    scores = []
    for image, mask in pairs:
        found, true = predict(model, image, size, device), mask > 0
        scores.append((found & true).sum() / max(1, (found | true).sum()))
    return float(np.mean(scores)) if scores else math.nan


def false_area(model: nn.Module, count: int, size: int, device: str) -> float:
    """Return the mean share of the frame marked as cornea in `count` frames without an eye."""
    frames = (generate_empty(VALIDATION_SEED + i, size, size) for i in range(count))
    return float(np.mean([predict(model, frame, size, device).mean() for frame in frames]))


class Run:
    """A training run: network, its moving average, optimizer, clock."""

    def __init__(self, options: argparse.Namespace) -> None:
        torch.manual_seed(options.seed)
        self.options = options
        self.device: str = options.device
        network = build_pspnet("resnet101", encoder_depth=3)
        if options.start:
            network = load_checkpoint(options.start).build()
        self.model = network.to(self.device).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.model).eval()
        if options.compile:
            self.model.compile()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=options.lr)
        self.losses = (DiceLoss("binary", from_logits=True), FocalLoss("binary"))
        self.start = time.monotonic()
        self.steps = self.images = 0

    @property
    def progress(self) -> float:
        """Share of the run that is done, by steps when given, else by the clock."""
        if self.options.steps:
            return float(self.steps / self.options.steps)
        return float((time.monotonic() - self.start) / (60 * self.options.minutes))

    def step(self, images: torch.Tensor, masks: torch.Tensor) -> float:
        """Take one optimizer step on (N, S, S, 3) and (N, S, S) uint8; return the loss."""
        warm = min(1.0, (self.steps + 1) / 50)
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, self.progress)))
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.lr * warm * (0.02 + 0.98 * cosine)
        inputs = images.to(self.device).permute(0, 3, 1, 2).float()
        target = (masks.to(self.device)[:, None] > 0).float()
        with torch.autocast(self.device, torch.bfloat16):
            logits = self.model(inputs.contiguous(memory_format=torch.channels_last))
        dice, focal = (loss(logits.float(), target) for loss in self.losses)
        loss = 0.5 * dice + 0.5 * focal
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.steps += 1
        self.images += len(images)
        self._follow(min(0.98, self.steps / (self.steps + 10)))
        return float(loss.detach())

    @torch.no_grad()
    def _follow(self, decay: float) -> None:
        current = self.model.state_dict()
        for name, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(current[name], 1 - decay)
            else:
                value.copy_(current[name])

    def save(self, results: dict[str, float]) -> None:
        """Write the averaged weights with what they were trained on and what was measured."""
        metadata: dict[str, Any] = {
            "steps": self.steps,
            "images": self.images,
            "seed": self.options.seed,
            "minutes": round((time.monotonic() - self.start) / 60, 1),
            **results,
        }
        size = self.options.size
        spec = ModelSpec(image_size=(size, size))
        save_checkpoint(self.options.out, self.average.state_dict(), spec, metadata)


def train(run: Run, real: list[Pair], held_out: list[Pair]) -> None:
    """Go through the phases, saving every `save_every` seconds and after each phase."""
    options = run.options
    saved = time.monotonic()
    for phase in PHASES[options.skip :]:
        size = max(64, round(options.size * phase.scale / 32) * 32)
        loader = DataLoader(
            Frames(size, options, real),
            batch_size=phase.batch * options.batch_scale,
            num_workers=options.workers,
            multiprocessing_context="spawn" if options.workers else None,
            prefetch_factor=4 if options.workers else None,
        )
        run.model.train()
        for images, masks in loader:
            if run.progress >= phase.until:
                break
            loss = run.step(images, masks)
            if run.steps % 10 == 0:
                log.info("%5.1f%% step %d size %d loss %.4f images %d", 100 * run.progress,
                         run.steps, size, loss, run.images)  # fmt: skip
            if time.monotonic() - saved > options.save_every:
                run.save({})
                saved = time.monotonic()
        score = mean_iou(run.average, iter(held_out), size, run.device)
        log.info("size %d: held-out IoU %.4f", size, score)
        run.save({})


def measure(run: Run, held_out: list[Pair]) -> dict[str, float]:
    """Return the results at full size: held-out IoU, generated IoU, false area without an eye."""
    size, count = run.options.size, run.options.validation
    return {
        "held_out_iou": mean_iou(run.average, iter(held_out), size, run.device),
        "generated_iou": mean_iou(run.average, generated(count, size), size, run.device),
        "empty_false_area": false_area(run.average, max(1, count // 2), size, run.device),
    }


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description="Train the default weights.")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT)
    parser.add_argument("--real", type=Path, help="folder of annotated frames to mix in")
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--skip", type=int, default=0, help="coarse phases to leave out (0 to 2)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--steps", type=int, default=0, help="instead of --minutes; repeatable")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch-scale", type=int, default=1, help="times the batches for a GPU")
    parser.add_argument("--compile", action="store_true", help="a sixth faster on a CPU")
    parser.add_argument("--real-share", type=float, default=0.2, help="of the samples")
    parser.add_argument("--no-camera", dest="camera", action="store_false",
                        help="without color casts, blur, noise and JPEG (ablation)")  # fmt: skip
    parser.add_argument("--held-out", nargs="*", default=HELD_OUT, metavar="CASE")
    parser.add_argument("--save-every", type=float, default=180, help="seconds")
    parser.add_argument("--validation", type=int, default=200, help="generated frames to test")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Train, measure, save."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    real, held_out = read_real(options.real, options.held_out) if options.real else ([], [])
    log.info("%d real frames to train on, %d held out", len(real), len(held_out))
    run = Run(options)
    train(run, real, held_out)
    results = measure(run, held_out)
    log.info("done: %d images, %s", run.images, results)
    run.save(results)


if __name__ == "__main__":
    main()
