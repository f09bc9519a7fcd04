"""Agreement of masks with ground truth; all metrics are defined for empty masks too."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Overlap:
    """True positive, false positive and false negative pixels of one or several images.

    IoU and Dice are 1 if both masks are empty, and 0 if only one is.
    """

    tp: float
    fp: float
    fn: float

    @property
    def iou(self) -> float:
        """Intersection over union, 0–1."""
        union = self.tp + self.fp + self.fn
        return self.tp / union if union else 1.0

    @property
    def dice(self) -> float:
        """Dice coefficient (F1), 0–1."""
        total = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / total if total else 1.0

    def __add__(self, other: Overlap) -> Overlap:
        return Overlap(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)


def overlap(found: NDArray[np.generic], true: NDArray[np.generic]) -> Overlap:
    """Compare two masks of the same shape; every value above 0 is set."""
    a, b = np.asarray(found) > 0, np.asarray(true) > 0
    tp = float(np.count_nonzero(a & b))
    return Overlap(tp, np.count_nonzero(a) - tp, np.count_nonzero(b) - tp)


class Tally:
    """Accumulates loss, IoU and Dice over batches, per image and over all pixels.

    `sums` is a single float64 tensor, so that it can be summed over processes.
    """

    def __init__(self, device: torch.device) -> None:
        # images, loss, iou, dice, tp, fp, fn; CPU and CUDA support float64, Apple GPUs do not
        self.sums = torch.zeros(7, dtype=torch.float64, device=device)

    def add(self, loss: torch.Tensor, logits: torch.Tensor, target: torch.Tensor) -> None:
        """Add a batch: its mean loss, (N, 1, H, W) logits and 0/1 targets."""
        found, true = (logits.detach() > 0).flatten(1), (target > 0.5).flatten(1)
        tp = (found & true).sum(1).double()
        fp, fn = found.sum(1).double() - tp, true.sum(1).double() - tp
        union, total = tp + fp + fn, 2 * tp + fp + fn
        iou = torch.where(union > 0, tp / union.clamp(min=1), 1.0)
        dice = torch.where(total > 0, 2 * tp / total.clamp(min=1), 1.0)
        count = len(logits)
        self.sums += torch.stack([
            torch.tensor(float(count), dtype=torch.float64, device=tp.device),
            loss.detach().double() * count,
            iou.sum(), dice.sum(), tp.sum(), fp.sum(), fn.sum(),
        ])  # fmt: skip

    def result(self) -> dict[str, float]:
        """Return loss, iou and dice per image, and iou_pixels and dice_pixels over all pixels."""
        count, loss, iou, dice, tp, fp, fn = (float(v) for v in self.sums)
        pixels = Overlap(tp, fp, fn)
        count = max(count, 1.0)
        return {
            "loss": loss / count,
            "iou": iou / count,
            "dice": dice / count,
            "iou_pixels": pixels.iou,
            "dice_pixels": pixels.dice,
        }


def surface_distances(found: NDArray[np.generic], true: NDArray[np.generic]) -> tuple[float, float]:
    """Return HD95 and average symmetric surface distance in pixels.

    The surface is the set of mask pixels with a 4-neighbor outside the mask; neighbors beyond the
    frame count as inside. HD95 is the larger of the two directed 95th percentiles. The average is
    taken over the distances in both directions. If both masks are empty, the distances are 0; if
    one is, they are the diagonal of the frame.
    """
    a, b = np.asarray(found) > 0, np.asarray(true) > 0
    if not a.any() or not b.any():
        worst = 0.0 if a.any() == b.any() else float(np.hypot(*a.shape))
        return worst, worst
    there, back = _directed(a, b), _directed(b, a)
    hd95 = max(float(np.percentile(there, 95)), float(np.percentile(back, 95)))
    return hd95, float(np.concatenate([there, back]).mean())


def _directed(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> NDArray[np.float32]:
    distance = cv2.distanceTransform(
        (~_surface(b)).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    )
    return np.asarray(distance[_surface(a)], np.float32)


def _surface(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    inner = cv2.erode(mask.astype(np.uint8), cross, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    surface = mask & (inner == 0)
    return surface if surface.any() else mask  # if the mask fills the frame, all of it is surface


def bootstrap_interval(
    values: NDArray[np.float64], groups: list[str], *, seed: int = 0, rounds: int = 2000
) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of the mean.

    Whole `groups` (surgeries) are resampled, because frames of one surgery are similar. If there
    is only one group, its frames are resampled.
    """
    rng = np.random.default_rng(seed)
    names = sorted(set(groups))
    labels = np.array(groups) if len(names) > 1 else np.arange(len(values)).astype(str)
    members = [values[labels == name] for name in (names if len(names) > 1 else labels)]
    sums, counts = np.array([m.sum() for m in members]), np.array([len(m) for m in members])
    drawn = rng.integers(len(members), size=(rounds, len(members)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
