"""What correcting 20 frames of a clip brings on its other frames, and what is forgotten by it.

    python -m benchmarks.correction [--clips 116 20 78] [--checkpoint NAME|FILE]

The clips are generated ones on which the weights are wrong. Every 20th frame gets its true mask,
as somebody would correct it, and `cornea-stream train --init` fine-tunes on these by its defaults.
Scored are frames halfway between them, and generated frames that have nothing to do with the clip.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import save
from cornea_stream import Segmenter
from cornea_stream.sinks.png import write_png
from cornea_stream.synthetic import generate_clip, generate_frame
from cornea_train.config import FINE_TUNING, TrainConfig
from cornea_train.generated import VALIDATION_SEED
from cornea_train.metrics import overlap
from cornea_train.supervisely import annotation
from cornea_train.trainer import best_row, train

Sample = tuple[np.ndarray, np.ndarray]
STEP = 20
"""Frames of the clip from one correction to the next."""
UNSEEN = VALIDATION_SEED + 2**20
"""Where the seeds of generated frames begin that `train` scores none of."""


def sample_clip(seed: int, corrections: int) -> tuple[list[Sample], list[Sample]]:
    """Return the frames to correct, and as many others between them."""
    clip = enumerate(generate_clip(seed, corrections * STEP, 384, 512))
    samples = {index % STEP: [] for index in (0, STEP // 2)}
    for index, sample in clip:
        if index % STEP in samples:
            samples[index % STEP].append(sample)
    return samples[0], samples[STEP // 2]


def write_corrections(folder: Path, samples: list[Sample]) -> None:
    """Write images with their masks as `correct` and `annotate` do."""
    for name in ("img", "ann"):
        (folder / "case_clip" / name).mkdir(parents=True)
    for number, (image, mask) in enumerate(samples):
        name = f"{number:03d}.png"
        write_png(folder / "case_clip" / "img" / name, image)
        target = folder / "case_clip" / "ann" / f"{name}.json"
        target.write_text(json.dumps(annotation(mask)))


def iou(segmenter: Segmenter, samples: list[Sample]) -> float:
    """Return the mean IoU over `samples`."""
    found = segmenter.stream(image for image, _ in samples)
    return float(np.mean([overlap(f.mask, s[1]).iou for f, s in zip(found, samples, strict=True)]))


def correct(seed: int, generated: list[Sample], options: argparse.Namespace) -> dict[str, Any]:
    """Fine-tune on the corrections of one clip; return the scores before and after."""
    corrections, others = sample_clip(seed, options.corrections)
    with tempfile.TemporaryDirectory() as scratch:
        data, run = Path(scratch) / "data", Path(scratch) / "run"
        write_corrections(data, corrections)
        began, used = time.perf_counter(), time.process_time()
        config = TrainConfig.of(
            data_dir=data, output_dir=run, init=options.checkpoint, **options.set
        )
        history = train(config, lambda row, _: print(
            *(f"{k} {row[k]:.4f}" for k in ("epoch", "val_iou", "generated_iou") if k in row),
            round(time.perf_counter() - began), flush=True,
        ) if options.verbose else None)  # fmt: skip
        minutes, busy = ((now() - then) / 60 for now, then in (
            (time.perf_counter, began), (time.process_time, used)
        ))  # fmt: skip
        before, after = (
            {"clip": iou(s, others), "generated": iou(s, generated)}
            for s in map(Segmenter, (options.checkpoint, run / "best_model.pth"))
        )
    gained = (after["clip"] - before["clip"]) / (1 - before["clip"])
    return {
        "clip": seed,
        "before": before,
        "after": after,
        "share_of_missing_gained": round(gained, 3),
        "generated_lost": round(before["generated"] - after["generated"], 4),
        "minutes": round(minutes, 2),
        "core_minutes": round(busy, 2),
        "epochs": int(history[-1]["epoch"]),
        "best_epoch": int(best_row(history)["epoch"]),
    }


def parse() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description="Measure what corrections bring.")
    parser.add_argument("--clips", type=int, nargs="+", default=[116, 20, 78], help="seeds")
    parser.add_argument("--corrections", type=int, default=20)
    parser.add_argument("--checkpoint", default="default")
    parser.add_argument("--set", type=json.loads, default={}, help="settings of train, as JSON")
    parser.add_argument("--generated", type=int, default=60, help="frames")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/correction.json"))
    return parser.parse_args()


def main() -> None:
    """Measure all clips, print and write the result."""
    options = parse()
    generated = [generate_frame(UNSEEN + i, 384, 512) for i in range(options.generated)]
    clips = []
    for seed in options.clips:
        clips.append(correct(seed, generated, options))
        print(clips[-1], flush=True)
    result = {
        "what": f"{options.corrections} true frames of a generated clip, fine-tuned by the "
        "defaults of train --init; IoU on other frames of the clip and on generated frames",
        "checkpoint": str(options.checkpoint),
        "settings": {**FINE_TUNING, **options.set},
        "clips": clips,
    }
    save(options.output, result)


if __name__ == "__main__":
    main()
