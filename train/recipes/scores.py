"""How weights do on frames they never saw: agreement, size, and where the edge lies."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cornea_train.metrics import overlap, surface_distances

Image = npt.NDArray[np.uint8]
Segment = Callable[[Image], Image]
"""From an (H, W, 3) RGB frame to its (H, W) mask."""


@dataclass(frozen=True, slots=True)
class Score:
    """One frame: IoU, found area over true area, and the edge's 95th percentile off, in radii."""

    iou: float
    size: float
    edge: float


def score(found: Image, true: Image) -> Score:
    """Compare a mask with the truth, which must not be empty."""
    area = np.count_nonzero(true)
    off, _ = surface_distances(found, true)
    radius = np.sqrt(area / np.pi)
    return Score(
        overlap(found, true).iou, np.count_nonzero(found) / area, float(min(off / radius, 2.0))
    )


def score_all(segment: Segment, samples: Iterable[tuple[Image, Image]]) -> list[Score]:
    """Return the scores of all samples in which there is a cornea."""
    return [score(segment(image), true) for image, true in samples if true.any()]


def summarize(scores: list[Score]) -> dict[str, float]:
    """Return the mean and lowest IoU, the share below 0.80, the median size and edge."""
    ious = np.array([s.iou for s in scores])
    return {
        "frames": len(scores),
        "iou": round(float(ious.mean()), 4),
        "lowest": round(float(ious.min()), 4),
        "below_0.80": round(float((ious < 0.8).mean()), 4),
        "size": round(float(np.median([s.size for s in scores])), 4),
        "edge": round(float(np.median([s.edge for s in scores])), 4),
        "edge_worst_tenth": round(float(np.percentile([s.edge for s in scores], 90)), 4),
    }
