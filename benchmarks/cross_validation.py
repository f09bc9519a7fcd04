"""Cross-validation of the default weights' recipe over the surgeries of the real frames.

    python -m benchmarks.cross_validation --real DIR --work DIR [--folds 3]

A base is trained on generated frames alone, so that no real surgery is in it; each fold goes on
from it with the real frames of the other surgeries. Every surgery is thus scored by weights that
never saw it: by the base, and by its fold. Finished weights in the work folder are used again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.report import save
from benchmarks.weights import Scores, iou_by_surgery, means
from cornea_stream.inference.segmenter import Segmenter
from cornea_train import default_weights
from cornea_train.dataset import find_pairs


def fitted(out: Path, *arguments: str) -> Segmenter:
    """Return a segmenter with the weights at `out`, trained first where they are absent."""
    if not out.exists():
        partial = out.with_suffix(".part.safetensors")
        default_weights.main(["--out", str(partial), *arguments])
        partial.rename(out)
    return Segmenter(out)


def main() -> None:
    """Train what is missing, measure, print and write the result."""
    parser = argparse.ArgumentParser(description="Cross-validate the recipe over surgeries.")
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder for the weights")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--base-steps", type=int, default=1600)
    parser.add_argument("--fold-steps", type=int, default=500)
    parser.add_argument(
        "--output", type=Path, default=Path("benchmarks/results/cross_validation.json")
    )
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    cases = sorted({pair.case for pair in find_pairs(options.real)[0]})
    base_path = options.work / "base.safetensors"
    base = fitted(base_path, "--steps", str(options.base_steps), "--compile")
    generated_only = iou_by_surgery(options.real, base)
    folds: Scores = {}
    for number in range(options.folds):
        held_out = cases[number :: options.folds]
        fold = fitted(
            options.work / f"fold{number}.safetensors",
            "--real", str(options.real), "--start", str(base_path), "--skip", "2", "--lr", "5e-4",
            "--steps", str(options.fold_steps), "--seed", str(100 + number), "--compile",
            "--held-out", *held_out,
        )  # fmt: skip
        scores = iou_by_surgery(options.real, fold)
        folds |= {case: scores[case] for case in held_out}
    result = {
        "what": "IoU of surgeries that the weights never saw, masks as users get them",
        "steps": {"base": options.base_steps, "fold": options.fold_steps},
        "generated frames alone": {**means(generated_only), "surgeries": generated_only},
        f"{options.folds} folds": {**means(folds), "surgeries": folds},
    }
    save(options.output, result)


if __name__ == "__main__":
    main()
