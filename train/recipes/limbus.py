"""Train the network that reads the limbus around an outline.

    python -m cornea_train.recipes.limbus --out WEIGHTS [--start WEIGHTS --real DIR]

It learns from generated frames, and with `--real` from annotated ones in the folder layout of
Cataract-1K too, but for the surgeries of `--held-out`. Around each frame's true outline some are
drawn that are off as a network's are: in size, place and axes. The image around them is unrolled as
`cornea_stream.postprocess.limbus_network` does, and the network learns which places are within the
cornea. The same options give the same weights.
"""

from __future__ import annotations

import argparse
import logging
import math
import time
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from cornea_stream.postprocess.limbus_network import (
    DILATIONS,
    DIRECTIONS,
    OFFSETS,
    STEP,
    around_outline,
    network_input,
)
from cornea_stream.postprocess.unroll import directions_of, unrolled
from cornea_stream.synthetic.shapes import Ellipse
from cornea_train.recipes.frames import Sample, TrainingFrames, read_real

SIZE = (256, 416)
"""Height and width of the images: the input of the default weights."""
WIDTH = 64
"""Channels of the hidden layers."""
OUTLINES = 6
"""Outlines that are drawn around each frame's cornea."""
SOFTNESS = 0.01
"""Width of the step at the limbus, in radii, that the network learns."""
DISAGREEMENT = 0.04
"""Share of a direction's places in which mask and ellipse may differ for it to be known."""
CONTOUR_INSIDE = 0.45
"""Pixels by which a contour, through the outermost pixels' centers, lies inside the edge: measured
on drawn ellipses."""
MIN_CONTOUR = 40
"""Points of a contour away from the image's border below which no ellipse is fitted."""
OFFSET_WEIGHT = 4.0
"""Weight of the distance of the limbus beside that of all places."""
DECAY = 0.998
log = logging.getLogger("limbus")


class Around(NamedTuple):
    """What lies around an outline; several have one more axis in front.

    `colors` (60, 33, 3) uint8, `inside` (60, 33) whether they lie in the image, `limbus` (60,)
    its distance from the outline in radii, and `known` (60,) whether the mask agrees with it.
    """

    colors: npt.NDArray[np.uint8]
    inside: npt.NDArray[np.bool_]
    limbus: npt.NDArray[np.float32]
    known: npt.NDArray[np.bool_]


class Outlines(Dataset[list[Around]]):
    """What lies around a few outlines of each frame, decided by the index."""

    def __init__(self, seed: int, real: list[Sample], real_share: float) -> None:
        self.seed, self.frames = seed, TrainingFrames(SIZE, seed, real, real_share)

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> list[Around]:
        image, mask = self.frames[index]
        rng = np.random.default_rng((self.seed, index))
        limbus = true_ellipse(mask)
        if limbus is None:
            return []
        drawn = (off_by_a_little(rng, limbus) for _ in range(OUTLINES))
        height, width = mask.shape
        return [
            around(image, mask, limbus, outline)
            for outline in drawn
            if 0 < outline.x < width and 0 < outline.y < height
        ]


def true_ellipse(mask: npt.NDArray[np.uint8]) -> Ellipse | None:
    """Return the ellipse of an (H, W) 0 or 255 mask that the border may cut, if enough is seen."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    points = max(contours, key=len)[:, 0]
    height, width = mask.shape
    points = points[((points > 0) & (points < [width - 1, height - 1])).all(axis=1)]
    if len(points) < MIN_CONTOUR:
        return None
    (x, y), axes, angle = cv2.fitEllipse(points)
    first, second = (axis / 2 + CONTOUR_INSIDE for axis in axes)
    return Ellipse(x, y, first, second, math.radians(angle))


def off_by_a_little(rng: np.random.Generator, limbus: Ellipse) -> Ellipse:
    """Return an ellipse that lies off the limbus as the outline of a network does."""
    much = rng.choice([0.5, 1.0, 1.5, 2.0], p=[0.3, 0.3, 0.25, 0.15])
    x, y = rng.normal(0, 0.05 * much, 2) * limbus.radius
    size, stretch = np.exp(rng.normal(0, 0.05 * much)), np.exp(rng.normal(0, 0.03 * much))
    first, second = limbus.a * size * stretch, limbus.b * size / stretch
    return Ellipse(limbus.x + x, limbus.y + y, first, second, limbus.angle)


def around(
    image: npt.NDArray[np.uint8], mask: npt.NDArray[np.uint8], limbus: Ellipse, outline: Ellipse
) -> Around:
    """Return what lies around an outline whose center is in the image."""
    directions = directions_of(DIRECTIONS)
    center = np.array([outline.x, outline.y])
    radii = distances(outline, center, directions)
    offset = distances(limbus, center, directions) / radii - 1
    colors, inside = around_outline(image, center, directions, radii)
    covered, _ = unrolled(mask, center, directions, np.multiply.outer(radii, 1 + OFFSETS))
    within = (offset[:, None] > OFFSETS).mean(axis=1)
    known = np.abs((covered > 127).mean(axis=1) - within) < DISAGREEMENT
    return Around(np.rint(colors).astype(np.uint8), inside, offset.astype(np.float32), known)


def distances(
    ellipse: Ellipse, center: npt.NDArray[np.float64], directions: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return (N,) distances of an ellipse from a point inside it, along (N, 2) directions."""
    cosine, sine = math.cos(ellipse.angle), math.sin(ellipse.angle)
    to_circle = np.array([[cosine, sine], [-sine, cosine]]) / [[ellipse.a], [ellipse.b]]
    start, along = to_circle @ (center - [ellipse.x, ellipse.y]), directions @ to_circle.T
    square, product = (along**2).sum(axis=1), along @ start
    root = np.sqrt(np.maximum(product**2 - square * (start @ start - 1), 0))
    return np.asarray((root - product) / square)


def collect(
    frames: int, seed: int, workers: int, real: list[Sample] | None = None, real_share: float = 0
) -> Around:
    """Return what lies around the outlines of so many frames, of which a share is real."""
    loader = DataLoader(
        Outlines(seed, real or [], real_share),
        batch_size=None,
        collate_fn=list,
        num_workers=workers,
        multiprocessing_context="spawn" if workers else None,
    )
    drawn = [strip for of_frame in islice(loader, frames) for strip in of_frame]
    if not drawn:
        raise SystemExit(f"no cornea in {frames} frames: take more --frames")
    return Around._make(np.stack(part) for part in zip(*drawn, strict=True))


def batch_of(rng: np.random.Generator, strips: Around, count: int) -> Around:
    """Return `count` strips, all turned and mirrored alike, in other light, with parts hidden."""
    chosen, turn = rng.integers(0, len(strips.colors), count), int(rng.integers(DIRECTIONS))
    order = np.roll(np.arange(DIRECTIONS), turn)[:: rng.choice([-1, 1])]
    batch = Around._make(part[chosen][:, order] for part in strips)
    return batch._replace(colors=in_other_light(rng, hidden_in_part(rng, batch.colors)))


def hidden_in_part(
    rng: np.random.Generator, colors: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """Return (M, 60, 33, 3) colors, some pale or without an arc, so that doubt is learnt too."""
    values = colors.copy()
    for strip in values:
        chance, usual = rng.random(), strip.mean(axis=(0, 1))
        if chance < 0.08:
            pale = usual + rng.uniform(0, 0.2) * (strip - usual)
            strip[:] = np.rint(pale).astype(np.uint8)
        elif chance < 0.3:
            arc = (np.arange(rng.integers(8, 50)) + rng.integers(DIRECTIONS)) % DIRECTIONS
            strip[arc] = np.clip(usual * np.exp(rng.normal(0, 0.3)), 0, 255).astype(np.uint8)
    return values


def in_other_light(
    rng: np.random.Generator, colors: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """Return (M, 60, 33, 3) colors of another gamma and cast, with noise, and at times blurred."""
    count = len(colors)
    values = colors.astype(np.float32) / 255
    values **= np.exp(rng.normal(0, 0.2, (count, 1, 1, 1))).astype(np.float32)
    values *= np.exp(rng.normal(0, 0.08, (count, 1, 1, 3))).astype(np.float32)
    if rng.random() < 0.3:
        padded = np.pad(values, ((0, 0), (0, 0), (1, 1), (0, 0)), mode="edge")
        values = (padded[:, :, :-2] + 2 * values + padded[:, :, 2:]) / 4
    noise = rng.standard_normal(values.shape, np.float32)
    values = 255 * values + noise * rng.uniform(0, 5, (count, 1, 1, 1)).astype(np.float32)
    return np.clip(values, 0, 255).astype(np.uint8)


class Network(nn.Module):
    """The network of `cornea_stream.postprocess.limbus_network`, to be trained."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        given = 4 * len(OFFSETS)
        self.layers = nn.ModuleList(
            nn.Conv1d(width if n else given, width, 3, dilation=dilation,
                      padding=dilation, padding_mode="circular")
            for n, dilation in enumerate(DILATIONS)
        )  # fmt: skip
        self.last = nn.Conv1d(width, len(OFFSETS), 1)

    def forward(self, strips: torch.Tensor) -> torch.Tensor:
        """Return (M, 60, 33) logits of (M, 60, 132) strips."""
        values = strips.transpose(1, 2)
        for layer in self.layers:
            new = torch.relu(layer(values))
            values = values + new if values.shape == new.shape else new
        logits: torch.Tensor = self.last(values).transpose(1, 2)
        return logits


def losses(logits: torch.Tensor, strips: Around) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the loss, and how far the limbus is off on average, in radii."""
    limbus, known = torch.from_numpy(strips.limbus), torch.from_numpy(strips.known).float()
    offsets = torch.from_numpy(OFFSETS).float()
    within = torch.sigmoid((limbus[..., None] - offsets) / SOFTNESS)
    places = functional.binary_cross_entropy_with_logits(logits, within, reduction="none").mean(-1)
    off = STEP * (torch.sigmoid(logits) - within).sum(-1).abs()
    share = known / known.sum().clamp(min=1)
    error = (off * share).sum()
    return (places * share).sum() + OFFSET_WEIGHT * error, error


def train(
    strips: Around, steps: int, batch: int, rate: float, seed: int, start: Path | None = None
) -> Network:
    """Return the moving average of a network trained on what lies around outlines."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = Network()
    if start:
        network.load_state_dict({key: value.float() for key, value in load_file(start).items()})
    averaging = torch.optim.swa_utils.get_ema_multi_avg_fn(DECAY)  # type: ignore[no-untyped-call]
    average = torch.optim.swa_utils.AveragedModel(network, multi_avg_fn=averaging)
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rate, total_steps=steps, pct_start=min(0.1, 100 / steps)
    )
    errors: list[float] = []
    began = time.monotonic()
    for step in range(1, steps + 1):
        chosen = batch_of(rng, strips, batch)
        given = np.stack([network_input(c, i) for c, i in zip(*chosen[:2], strict=True)])
        loss, error = losses(network(torch.from_numpy(given)), chosen)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        average.update_parameters(network)
        errors.append(error.item())
        if step % 250 == 0:
            log.info("step %d: off by %.4f radii, %.0f s", step, np.mean(errors[-250:]),
                     time.monotonic() - began)  # fmt: skip
    trained = average.module
    assert isinstance(trained, Network)
    return trained.eval()


def save(network: Network, path: Path) -> None:
    """Write the weights as float16, which is exact enough and half as large."""
    save_file({key: value.half().contiguous() for key, value in network.state_dict().items()}, path)


def main(arguments: list[str] | None = None) -> None:
    """Draw, train, write."""
    parser = argparse.ArgumentParser(description="Train the network that reads the limbus.")
    parser.add_argument("--out", type=Path, required=True, help="weights to write (.safetensors)")
    parser.add_argument("--start", type=Path, help="weights to begin with")
    parser.add_argument("--real", type=Path, help="folder of annotated frames to mix in")
    parser.add_argument("--real-share", type=float, default=0.35, help="of the frames")
    parser.add_argument("--held-out", nargs="*", default=[], metavar="CASE")
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=7_000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    real = read_real(options.real, options.held_out)[0] if options.real else []
    strips = collect(options.frames, options.seed, options.workers, real, options.real_share)
    log.info("%d outlines of %d frames", len(strips.colors), options.frames)
    network = train(strips, options.steps, options.batch, options.lr, options.seed, options.start)
    save(network, options.out)


if __name__ == "__main__":
    main()
