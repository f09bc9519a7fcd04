"""What weights can do: the figures of their model card.

    python -m benchmarks.weights [--checkpoint NAME|FILE] [--real DIR] [--video VIDEO]

Masks are those that users get (cleaned, auto precision), against annotated frames per surgery,
against generated frames with seeds that training never draws, kind by kind, and frames without an
eye. `model_weights/examples.png` shows one of every kind: truth white, found green.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.report import save
from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.frame import Image
from cornea_stream.postprocess import limbus_network
from cornea_stream.postprocess.mask import cornea_mask, upsample_logits
from cornea_stream.synthetic import KINDS, generate_empty, generate_frame
from cornea_train.dataset import find_pairs, load_pair
from cornea_train.evaluate import stability
from cornea_train.generated import VALIDATION_SEED
from cornea_train.plots import contact_sheet
from cornea_train.recipes.frames import Sample
from cornea_train.recipes.scores import Score, score, summarize

SIZES = ((480, 640), (432, 768))
"""Heights and widths of generated frames, in turn."""


def mask_of(found: Segmentation) -> Image:
    """Return the mask that users get."""
    return found.mask


def mask_before_the_limbus(found: Segmentation) -> Image:
    """Return the mask before its outline is moved onto the limbus that the picture shows."""
    assert found.logits is not None
    assert found.input_size is not None
    return cornea_mask(upsample_logits(found.logits, found.input_size), found.frame.size)[0]


@contextmanager
def limbus_read_with(weights: Path) -> Iterator[None]:
    """Let masks be made with other weights of the network that reads the limbus."""
    network = limbus_network.LimbusNetwork(weights)
    with mock.patch.object(limbus_network, "packaged", return_value=network):
        yield


def by_surgery(
    folder: Path, segmenter: Segmenter, mask: Callable[[Segmentation], Image] = mask_of
) -> dict[str, list[Score]]:
    """Return the scores of all annotated frames below a folder, by surgery."""
    scores: dict[str, list[Score]] = {}
    for pair in find_pairs(folder)[0]:
        image, true = load_pair(pair)
        scores.setdefault(pair.case, []).append(score(mask(segmenter(image)), true))
    return dict(sorted(scores.items()))


def over_surgeries(scores: dict[str, list[Score]]) -> dict[str, Any]:
    """Return the summary over frames, and IoU by surgery with its mean and lowest."""
    means = {case: round(float(np.mean([s.iou for s in of])), 4) for case, of in scores.items()}
    return {
        "mean_of_surgeries": round(float(np.mean(list(means.values()))), 4),
        "lowest_surgery": min(means.values()),
        "frames": summarize([s for of_case in scores.values() for s in of_case]),
        "surgeries": means,
    }


def changes(before: list[Score], after: list[Score]) -> dict[str, int]:
    """Return how many frames gained and lost much by a step."""
    gains = np.array([b.iou - a.iou for a, b in zip(before, after, strict=True)])
    return {"gained_0.03": int((gains > 0.03).sum()), "lost_0.03": int((gains < -0.03).sum())}


def hard_frames(kind: str, count: int) -> Iterator[Sample]:
    """Yield `count` generated frames that are sure to have the trait `kind`."""
    first = VALIDATION_SEED + 100_000 * (KINDS.index(kind) + 1)
    return (generate_frame(first + i, *SIZES[i % 2], kind=kind) for i in range(count))


def main() -> None:
    """Take the options, and measure."""
    parser = argparse.ArgumentParser(description="Results of weights.")
    parser.add_argument("--checkpoint")
    parser.add_argument("--real", type=Path)
    parser.add_argument("--limbus", type=Path, help="other weights of the network that reads it")
    parser.add_argument("--cases", nargs="*", help="surgeries to score; default: all")
    parser.add_argument("--video", type=Path)
    parser.add_argument("--count", type=int, default=500, help="generated frames of any kind")
    parser.add_argument("--of-kind", type=int, default=50, help="generated frames of each kind")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/weights.json"))
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    with limbus_read_with(options.limbus) if options.limbus else nullcontext():
        measure(options)


def measure(options: argparse.Namespace) -> None:
    """Measure, print and write the result."""
    segmenter = Segmenter(options.checkpoint)

    def scored(samples: Iterator[Sample]) -> list[Score]:
        return [score(segmenter(image).mask, mask) for image, mask in samples]

    seeds = range(VALIDATION_SEED, VALIDATION_SEED + options.count)
    usual, before = [], []
    for image, mask in (generate_frame(seed, *SIZES[seed % 2]) for seed in seeds):
        found = segmenter(image)
        usual.append(score(found.mask, mask))
        before.append(score(mask_before_the_limbus(found), mask))
    empty = [
        float((segmenter(generate_empty(seed, *SIZES[seed % 2])).mask > 0).mean())
        for seed in seeds[: options.count // 2]
    ]
    result: dict[str, Any] = {
        "what": "masks that users get; size: found over true area; edge: 95th percentile in radii",
        "checkpoint": segmenter.checkpoint.sha256,
        "engine": segmenter.engine.describe(),
        "generated": summarize(usual),
        "generated_before_the_limbus": summarize(before) | changes(before, usual),
        "kinds": {kind: summarize(scored(hard_frames(kind, options.of_kind))) for kind in KINDS},
        "no_eye": {"mean_false_area": round(float(np.mean(empty)), 5), "frames": len(empty)},
    }
    if options.real:
        surgeries = by_surgery(options.real, segmenter)
        wanted = options.cases or list(surgeries)
        result["real"] = over_surgeries({case: surgeries[case] for case in wanted})
    if options.video:
        result["video"] = {
            "name": options.video.name,
            **asdict(stability(options.video, segmenter)),
        }
    if options.sheet:
        tiles = []
        for kind in KINDS:
            image, mask = next(hard_frames(kind, 1))
            tiles.append((image, mask, segmenter(image).mask, kind.replace("_", " ")))
        contact_sheet(options.sheet, tiles, columns=5)
    save(options.output, result)


if __name__ == "__main__":
    main()
