"""What the embedded weights can do: the figures of their model card.

    python -m benchmarks.weights [--real DIR] [--video VIDEO] [--output FILE]

Masks are those that users get (cleaned, auto precision), against the annotated frames (all of them
trained on: see `benchmarks.cross_validation` for surgeries that were not), generated frames with
seeds that training never draws, and frames without an eye. `model_weights/examples.png` shows the
first generated ones: truth white, found green.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.report import save
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.synthetic import generate_empty, generate_frame
from cornea_train.dataset import find_pairs, load_pair
from cornea_train.default_weights import MISDRAWN, VALIDATION_SEED, registered
from cornea_train.evaluate import stability
from cornea_train.metrics import overlap
from cornea_train.plots import contact_sheet

Scores = dict[str, dict[str, float]]


def iou_by_surgery(folder: Path, segmenter: Segmenter) -> Scores:
    """Return the mean IoU of each surgery, with outlines as annotated and as registered."""
    scores: dict[str, dict[str, list[float]]] = {}
    for pair in find_pairs(folder)[0]:
        image, mask = load_pair(pair)
        found = segmenter(image).mask
        of_case = scores.setdefault(pair.case, {"as_annotated": [], "registered": []})
        of_case["as_annotated"].append(overlap(found, mask).iou)
        of_case["registered"].append(overlap(found, registered(pair.case, mask)).iou)
    return {
        case: {kind: round(float(np.mean(values)), 4) for kind, values in kinds.items()}
        for case, kinds in sorted(scores.items())
    }


def means(scores: Scores) -> dict[str, float]:
    """Return the means over surgeries; `registered` leaves the misdrawn outlines out."""
    drawn = [case for case in scores if case not in MISDRAWN]
    return {
        "as_annotated": round(float(np.mean([s["as_annotated"] for s in scores.values()])), 4),
        "registered": round(float(np.mean([scores[case]["registered"] for case in drawn])), 4),
        "lowest_registered": min(scores[case]["registered"] for case in drawn),
    }


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description="Results of the embedded weights.")
    parser.add_argument("--real", type=Path)
    parser.add_argument("--video", type=Path)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/weights.json"))
    parser.add_argument("--sheet", type=Path, default=Path("model_weights/examples.png"))
    options = parser.parse_args()
    segmenter = Segmenter(options.checkpoint)
    scores, tiles = [], []
    for index in range(options.count):
        image, mask = generate_frame(VALIDATION_SEED + index, 512, 512)
        found = segmenter(image).mask
        scores.append(overlap(found, mask).iou)
        if len(tiles) < 24:
            tiles.append((image, mask, found, f"IoU {scores[-1]:.3f}"))
    contact_sheet(options.sheet, tiles, columns=6)
    empty = [
        float((segmenter(generate_empty(VALIDATION_SEED + i, 512, 512)).mask > 0).mean())
        for i in range(options.count // 2)
    ]
    result: dict[str, object] = {
        "what": "IoU of the masks that users get",
        "checkpoint": segmenter.checkpoint.sha256,
        "engine": segmenter.engine.describe(),
        "generated": {
            "mean_iou": round(float(np.mean(scores)), 4),
            "median_iou": round(float(np.median(scores)), 4),
            "share_below_0.5": round(float(np.mean(np.array(scores) < 0.5)), 4),
            "frames": options.count,
        },
        "no_eye": {"mean_false_area": round(float(np.mean(empty)), 5), "frames": len(empty)},
    }
    if options.real:
        surgeries = iou_by_surgery(options.real, segmenter)
        result["real"] = {**means(surgeries), "surgeries": surgeries}
    if options.video:
        result["video"] = {
            "name": options.video.name,
            **asdict(stability(options.video, segmenter)),
        }
    save(options.output, result)


if __name__ == "__main__":
    main()
