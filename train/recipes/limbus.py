"""Train the network that reads the limbus around an outline.

    python -m cornea_train.recipes.limbus --out WEIGHTS [--start WEIGHTS --real DIR]

It learns from generated frames, and with `--real` from annotated ones in the folder layout of
Cataract-1K too, but for the surgeries of `--held-out`: which places around an outline are within
the cornea. The same options give the same weights.
"""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from cornea_stream.postprocess.limbus_network import DILATIONS, OFFSETS, STEP, network_input
from cornea_train.recipes.frames import read_real
from cornea_train.recipes.limbus_strips import Around, batch_of, collect

WIDTH = 64
"""Channels of the hidden layers."""
SOFTNESS = 0.01
"""Width of the step at the limbus, in radii, that the network learns."""
OFFSET_WEIGHT = 4.0
"""Weight of the distance of the limbus beside that of all places."""
DECAY = 0.998
log = logging.getLogger("limbus")


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
