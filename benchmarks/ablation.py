"""Which network the default weights should have: short runs of the recipe, alike but for one part.

    python -m benchmarks.ablation --real DIR --work DIR [--images 4000] [--only NAME ...]

Every run starts from ImageNet's weights, sees the same generated images with the same seed, and is
measured on the surgeries of `--real`, none of which it saw, on generated frames, on frames without
an eye, and by the CPU time of its network in turns with ResNet-101's. Finished weights in the work
folder are used again. The runs are short: read the large differences only.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.network_cost import ENGINES, costs
from benchmarks.report import save
from benchmarks.weights import by_surgery, over_surgeries
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.synthetic import generate_empty, generate_frame
from cornea_train.generated import VALIDATION_SEED
from cornea_train.recipes import default_weights
from cornea_train.recipes.scores import score_all, summarize

VARIANTS: dict[str, tuple[str, ...]] = {
    "the recipe": (),
    "lite1": ("--encoder", "lite1"),
    "lite1, input 352x224": ("--encoder", "lite1", "--size", "352x224"),
    "lite2": ("--encoder", "lite2"),
    "depth 3": ("--depth", "3"),
    "depth 5": ("--depth", "5"),
    "input 320x192": ("--size", "320x192"),
    "input 320x320": ("--size", "320x320"),
    "input 512x320": ("--size", "512x320"),
    "pyramid of 128": ("--width", "128"),
    "pyramid of 512": ("--width", "512"),
}
REFERENCE = "resnet101"
"""The shipped weights that every variant is compared with."""


def fitted(
    out: Path, *arguments: str, train: Callable[[list[str]], None] = default_weights.main
) -> Path:
    """Return the weights at `out`, trained first if they are absent."""
    if not out.exists():
        partial = out.with_suffix(".part.safetensors")
        train(["--out", str(partial), *arguments])
        partial.rename(out)
    return out


def measure(weights: str | Path, real: Path, count: int) -> dict[str, Any]:
    """Return the scores of one variant, and what its network costs."""
    segmenter = Segmenter(weights)

    def segment(image: Any) -> Any:
        return segmenter(image).mask

    seeds = range(VALIDATION_SEED, VALIDATION_SEED + count)
    empty = [float((segment(generate_empty(seed)) > 0).mean()) for seed in seeds]
    return {
        "surgeries": over_surgeries(by_surgery(real, segmenter)),
        "generated": summarize(score_all(segment, (generate_frame(seed) for seed in seeds))),
        "empty_false_area": round(float(np.mean(empty)), 5),
        "cost": {engine: cost(str(weights), engine) for engine in ENGINES[:2]},
    }


def cost(weights: str, engine: str) -> dict[str, float]:
    """Return the CPU ms of a network, and its share of the reference's, measured in turns."""
    found = costs([weights, REFERENCE], engine)
    own, reference = found[weights]["least"], found[REFERENCE]["least"]
    return {"cpu_ms": own, "of_reference": round(own / reference, 2)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Train each variant, measure, print and write the result."""
    parser = argparse.ArgumentParser(description="Ablation of the default weights' recipe.")
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder for the weights")
    parser.add_argument("--images", type=int, default=4_000)
    parser.add_argument("--count", type=int, default=100, help="generated frames to measure on")
    parser.add_argument("--threads", type=int, default=0, help="of the training; default: all")
    parser.add_argument("--only", nargs="*", choices=VARIANTS, metavar="NAME")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/ablation.json"))
    options = parser.parse_args(arguments)
    options.work.mkdir(parents=True, exist_ok=True)
    common = ("--images", str(options.images), "--threads", str(options.threads))
    rows = {REFERENCE: measure(REFERENCE, options.real, options.count)}
    for name in options.only or VARIANTS:
        out = options.work / f"{name.replace(' ', '_')}.safetensors"
        weights = fitted(out, *common, *VARIANTS[name])
        rows[name] = measure(weights, options.real, options.count)
        print(name, rows[name], flush=True)
    save(options.output, {"what": "one part changed", "images": options.images, "rows": rows})


if __name__ == "__main__":
    main()
