"""Cross-validation of the default weights' recipe over the surgeries of the real frames.

    python -m benchmarks.cross_validation --real DIR --work DIR [--folds 5] [--images 40000]

A base is trained on generated frames alone, so that no real surgery is in it, and so is a network
that reads the limbus; each fold goes on from them with the real frames of the other surgeries.
Every surgery is thus scored by weights that never saw it: by the base, and by its fold. Both are
also scored on the outlines of the network, as they are before they are moved onto the limbus.
Finished weights in the work folder are used again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.ablation import fitted
from benchmarks.report import save
from benchmarks.weights import (
    by_surgery,
    limbus_read_with,
    mask_before_the_limbus,
    mask_of,
    over_surgeries,
)
from cornea_stream.inference.segmenter import Segmenter
from cornea_train.dataset import find_pairs
from cornea_train.recipes import limbus
from cornea_train.recipes.scores import Score

MASKS = {"masks": mask_of, "masks before the limbus": mask_before_the_limbus}


def main() -> None:
    """Train what is missing, measure, print and write the result."""
    parser = argparse.ArgumentParser(description="Cross-validate the recipe over surgeries.")
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder for the weights")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--images", type=int, default=45_000, help="that the base sees")
    parser.add_argument("--fold-images", type=int, default=4_000, help="that a fold sees")
    parser.add_argument("--real-share", default="0.3", help="of real frames among them")
    parser.add_argument(
        "--output", type=Path, default=Path("benchmarks/results/cross_validation.json")
    )
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    cases = sorted({pair.case for pair in find_pairs(options.real)[0]})
    base = fitted(options.work / "base.safetensors", "--images", str(options.images))
    reader = fitted(options.work / "limbus.safetensors", train=limbus.main)
    folds: dict[str, dict[str, list[Score]]] = {name: {} for name in MASKS}
    for number in range(options.folds):
        held_out = cases[number :: options.folds]
        weights = fitted(
            options.work / f"fold{number}.safetensors",
            "--real", str(options.real), "--real-share", options.real_share,
            "--start", str(base), "--lr", "5e-4",
            "--images", str(options.fold_images), "--seed", str(100 + number),
            "--held-out", *held_out,
        )  # fmt: skip
        reading = fitted(
            options.work / f"limbus{number}.safetensors",
            "--real", str(options.real), "--start", str(reader), "--lr", "1e-3",
            "--frames", "3000", "--steps", "1500", "--seed", str(300 + number),
            "--held-out", *held_out, train=limbus.main,
        )  # fmt: skip
        with limbus_read_with(reading):
            for name, mask in MASKS.items():
                scores = by_surgery(options.real, Segmenter(weights), mask)
                folds[name] |= {case: scores[case] for case in held_out}
    result: dict[str, Any] = {
        "what": "surgeries that the weights never saw, by which outline is scored",
        "images": {"base": options.images, "fold": options.fold_images},
        "real share of a fold": float(options.real_share),
    }
    with limbus_read_with(reader):
        for name, mask in MASKS.items():
            alone = by_surgery(options.real, Segmenter(base), mask)
            result[name] = {
                "generated frames alone": over_surgeries(alone),
                f"{options.folds} folds": over_surgeries(dict(sorted(folds[name].items()))),
            }
    save(options.output, result)


if __name__ == "__main__":
    main()
