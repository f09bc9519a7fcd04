"""What each part of the default weights' recipe is worth: the same short run without it.

    python -m benchmarks.ablation --real DIR [--video VIDEO] --work DIR

Every run starts from nothing, sees the same number of images with the same seed, and is measured
on surgeries that it never saw, on generated frames with all the camera's faults, on frames without
an eye and on a video of another microscope. The runs are short: read the large differences only.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.cross_validation import fitted
from benchmarks.report import save
from benchmarks.weights import iou_by_surgery, means
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.synthetic import generate_empty, generate_frame
from cornea_train.default_weights import HELD_OUT, VALIDATION_SEED
from cornea_train.evaluate import stability
from cornea_train.metrics import overlap

# A run at twice the size sees the same images at four times the cost.
VARIANTS: dict[str, tuple[str, ...]] = {
    "the recipe": (),
    "no real frames": ("--real-share", "0"),
    "real frames alone": ("--real-share", "0.92"),
    "no camera faults": ("--no-camera",),
    "input of twice the size": ("--size", "384"),
}


def measure(segmenter: Segmenter, options: argparse.Namespace) -> dict[str, object]:
    """Return the scores of one variant."""
    unseen = {
        case: scores
        for case, scores in iou_by_surgery(options.real, segmenter).items()
        if case in HELD_OUT
    }
    generated, empty = [], []
    for seed in range(VALIDATION_SEED, VALIDATION_SEED + options.count):
        image, mask = generate_frame(seed)
        generated.append(overlap(segmenter(image).mask, mask).iou)
        empty.append((segmenter(generate_empty(seed)).mask > 0).mean())
    result: dict[str, object] = {
        "held_out": means(unseen),
        "generated_iou": round(float(np.mean(generated)), 4),
        "empty_false_area": round(float(np.mean(empty)), 5),
    }
    if options.video:
        steady = stability(options.video, segmenter)
        result["video_neighbour_iou"] = round(steady.neighbour_iou, 4)
        result["video_present"] = round(steady.present, 4)
    return result


def main() -> None:
    """Train each variant, measure, print and write the result."""
    parser = argparse.ArgumentParser(description="Ablation of the default weights' recipe.")
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--video", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="folder for the weights")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/ablation.json"))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    common = ("--real", str(options.real), "--size", "192", "--steps", str(options.steps))
    rows = {}
    for name, changed in VARIANTS.items():
        out = options.work / f"{name.replace(' ', '_')}.safetensors"
        rows[name] = measure(fitted(out, *common, *changed, "--compile"), options)
        print(name, rows[name], flush=True)
    save(options.output, {"what": "recipe without a part", "steps": options.steps, "rows": rows})


if __name__ == "__main__":
    main()
