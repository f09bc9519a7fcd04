"""Train the weights that come with the package, on an encoder that knows ImageNet.

    python -m cornea_train.recipes.default_weights --real DIR --out WEIGHTS --minutes 120

Generated frames carry most of the training; a share comes from annotated frames in the folder
layout of Cataract-1K (`--real`), of which the surgeries of `--held-out` are only measured on. All
are squashed to the input's size, first to a smaller one. The state is written every few minutes
beside the weights; the same command goes on from there. `--images` makes the run repeatable,
`--minutes` fits it to a clock.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from cornea_stream.synthetic import KINDS, generate_empty, generate_frame
from cornea_train.generated import VALIDATION_SEED
from cornea_train.pretrained import LITE
from cornea_train.recipes.frames import (
    HELD_OUT,
    REAL_SHARE,
    Sample,
    TrainingFrames,
    read_real,
)
from cornea_train.recipes.run import Run, log
from cornea_train.recipes.scores import score_all, summarize


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of training: its end as a share of the run, input size as a share of full."""

    until: float
    scale: float
    batch: int


PHASES = (Phase(0.5, 0.8, 16), Phase(1.0, 1.0, 12))


def train(run: Run, real: list[Sample], held_out: list[Sample]) -> None:
    """Go through the phases, saving and measuring every so often."""
    options = run.options
    for begin, phase in pairwise((Phase(0.0, 0.0, 0), *PHASES)):
        if run.progress >= phase.until:
            continue
        height, width = (round(side * phase.scale / 32) * 32 for side in options.size)
        log.info(
            "%d×%d pixels from %.0f %% on", width, height, 100 * max(begin.until, run.progress)
        )
        loader = DataLoader(
            TrainingFrames((height, width), options.seed, real, options.real_share, run.images),
            batch_size=phase.batch * options.batch_scale,
            num_workers=options.workers,
            multiprocessing_context="spawn" if options.workers else None,
            prefetch_factor=6 if options.workers else None,
        )
        run.model.train()
        saved, losses = time.monotonic(), []
        for images, masks in loader:
            if run.progress >= phase.until:
                break
            losses.append(run.step(images, masks))
            if run.steps % 25 == 0:
                log.info("%.1f%% step %d loss %.4f images %d %.1f/s", 100 * run.progress,
                         run.steps, float(np.mean(losses[-50:])), run.images,
                         run.images / run.seconds)  # fmt: skip
            if time.monotonic() - saved > options.save_every:
                note(run, measure(run, held_out), losses[-200:])
                saved = time.monotonic()
        note(run, measure(run, held_out), losses[-200:])


def note(run: Run, results: dict[str, Any], losses: list[float]) -> None:
    """Save, and add a line to the log of progress beside the weights."""
    run.save(results)
    loss = round(float(np.mean(losses)), 4) if losses else None
    line = {"images": run.images, "minutes": round(run.seconds / 60, 1), "loss": loss}
    with Path(run.options.out).with_suffix(".progress.jsonl").open("a") as file:
        file.write(json.dumps(line | results) + "\n")
    log.info("%s", results)


def measure(run: Run, held_out: list[Sample]) -> dict[str, Any]:
    """Return the scores at full size: surgeries held out, generated frames, no eye."""
    count = run.options.validation
    kinds = [generate_frame(VALIDATION_SEED + i, 360, (480, 640)[i % 2], kind=KINDS[i % len(KINDS)])
             for i in range(count)]  # fmt: skip
    empty = (generate_empty(VALIDATION_SEED + i, 360, 640) for i in range(count // 2 + 1))
    results: dict[str, Any] = {
        "generated": summarize(score_all(run.segment, kinds)),
        "empty_false_area": float(np.mean([(run.segment(frame) > 0).mean() for frame in empty])),
    }
    if held_out:
        results["held_out"] = summarize(score_all(run.segment, held_out))
    return results


def input_size(text: str) -> tuple[int, int]:
    """Return (height, width) of `WIDTHxHEIGHT`, or of the side of a square."""
    width, _, height = text.partition("x")
    return int(height or width), int(width)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description="Train the default weights.")
    parser.add_argument("--out", type=Path, required=True, help="weights to write (.safetensors)")
    parser.add_argument("--real", type=Path, help="folder of annotated frames to mix in")
    parser.add_argument("--real-share", type=float, default=REAL_SHARE, help="of the samples")
    parser.add_argument("--held-out", nargs="*", default=HELD_OUT, metavar="CASE")
    parser.add_argument("--start", type=Path, help="weights to begin with instead of ImageNet's")
    parser.add_argument("--encoder", choices=LITE, default="lite0")
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--width", type=int, default=256, help="channels of the pyramid")
    parser.add_argument("--size", type=input_size, default=(256, 416), metavar="WxH")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--images", type=int, default=0, help="instead of --minutes; repeatable")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0, help="of the network; default: all")
    parser.add_argument("--batch-scale", type=int, default=1, help="times the batches for a GPU")
    parser.add_argument("--validation", type=int, default=40, help="generated frames to measure on")
    parser.add_argument("--save-every", type=float, default=300, help="seconds")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Train, measure, save."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if options.threads:
        torch.set_num_threads(options.threads)
    real, held_out = read_real(options.real, options.held_out) if options.real else ([], [])
    log.info("%d real frames to train on, %d held out", len(real), len(held_out))
    run = Run(options)
    train(run, real, held_out)
    log.info("done: %d images in %.0f minutes", run.images, run.seconds / 60)


if __name__ == "__main__":
    main()
