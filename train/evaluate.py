"""Scores of a checkpoint on annotated frames, per surgery and overall, and on a video."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cornea_stream.errors import OutputError, SourceError, UsageError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.frame import Image
from cornea_stream.postprocess.mask import iou as mask_iou
from cornea_stream.postprocess.measurement import measure
from cornea_stream.storage import atomic_path, output_errors, write_file
from cornea_train.dataset import load_pair
from cornea_train.formats import (
    DEFAULTS,
    BadAnnotationError,
    DataOptions,
    Pair,
    Problem,
    find_pairs,
)
from cornea_train.metrics import Overlap, bootstrap_interval, overlap, surface_distances
from cornea_train.plots import contact_sheet
from cornea_train.split import read_split

FILES = ("evaluation.json", "evaluation.csv", "worst_frames.png")


@dataclass(frozen=True, slots=True)
class Score:
    """The agreement of one frame with its annotation; distances are in image pixels."""

    name: str
    case: str
    iou: float
    dice: float
    hd95_px: float
    surface_distance_px: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Summary:
    """Means over frames with the 95 % bootstrap interval of the IoU; `case` is a surgery or all.

    `iou_pixels` and `dice_pixels` are computed over all pixels of all frames.
    """

    case: str
    frames: int
    iou: float
    iou_low: float
    iou_high: float
    dice: float
    iou_pixels: float
    dice_pixels: float
    hd95_px: float
    surface_distance_px: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of all frames, summaries per surgery and overall (last), and unusable pairs."""

    scores: list[Score]
    summaries: list[Summary]
    problems: list[Problem]


@dataclass(frozen=True, slots=True)
class Stability:
    """The stability of masks on a video, without ground truth.

    `neighbour_iou` is the mean IoU of consecutive masks, `neighbour_iou_low` its 5th percentile.
    `centroid_step_px` and `area_step` are median changes from frame to frame; the latter is
    relative to the area. `present` is the share of frames with a cornea.
    """

    frames: int
    present: float
    neighbour_iou: float
    neighbour_iou_low: float
    centroid_step_px: float
    area_step: float


def evaluate(
    data_dir: Path,
    segmenter: Segmenter,
    *,
    options: DataOptions = DEFAULTS,
    max_bad: int = 0,
    split_file: Path | None = None,
    sheet: Path | None = None,
    worst: int = 12,
) -> Evaluation:
    """Compare masks with annotations at the size of the annotated images.

    `split_file` restricts the scores to its validation frames. `sheet` is the path of the contact
    sheet of the `worst` frames. Raises SourceError if there is nothing to score or more than
    `max_bad` pairs are unusable, and OutputError if the sheet cannot be written.
    """
    pairs, problems = find_pairs(data_dir, options)
    if split_file is not None:
        pairs = [pairs[i] for i in read_split(split_file, pairs).validation]
    scores: list[Score] = []
    overlaps: list[Overlap] = []
    for score, agreement in _scored(pairs, problems, segmenter):
        scores.append(score)
        overlaps.append(agreement)
    if len(problems) > max_bad or not scores:
        listed = "; ".join(f"{p.name}: {p.reason}" for p in problems[:5])
        raise SourceError(
            f"{len(problems)} unusable pairs, more than max_bad={max_bad}: {data_dir}: correct "
            f"them: {listed}"
        )
    cases = sorted({s.case for s in scores})
    groups = [(c, [i for i, s in enumerate(scores) if s.case == c]) for c in cases]
    groups.append(("all", list(range(len(scores)))))
    summaries = [
        _summarize(name, [scores[i] for i in chosen], [overlaps[i] for i in chosen])
        for name, chosen in groups
    ]
    if sheet is not None:
        ranked = sorted(scores, key=lambda s: s.iou)[:worst]
        by_name = {pair.name: pair for pair in pairs}
        _draw_sheet(sheet, [(by_name[s.name], s) for s in ranked], segmenter)
    return Evaluation(scores, summaries, problems)


@dataclass(frozen=True, slots=True)
class Difference:
    """The change of the IoU from one checkpoint to another on the same frames.

    `iou` is the mean change with its 95 % bootstrap interval; `better` and `worse` count frames.
    """

    iou: float
    iou_low: float
    iou_high: float
    better: int
    worse: int


def compare(first: Sequence[Score], second: Sequence[Score]) -> Difference:
    """Return the change from `first` to `second`, scores of the same frames in the same order."""
    changes = np.array([b.iou - a.iou for a, b in zip(first, second, strict=True)])
    low, high = bootstrap_interval(changes, [score.case for score in first])
    return Difference(
        float(changes.mean()), low, high, int((changes > 0).sum()), int((changes < 0).sum())
    )


def folder_names(checkpoints: Sequence[str]) -> list[str]:
    """Return a folder name for each checkpoint: its own, with a number where two are the same."""
    names = [Path(checkpoint).stem for checkpoint in checkpoints]
    return [
        name if names.count(name) == 1 else f"{name}-{number}"
        for number, name in enumerate(names, start=1)
    ]


def stability(video: Path, segmenter: Segmenter) -> Stability:
    """Measure the stability of masks on a video. Raises SourceError, UsageError."""
    previous: Image | None = None
    ious: list[float] = []
    places: list[tuple[float, float, float]] = []
    frames = present = 0
    for found in segmenter.stream(video):
        frames += 1
        present += found.present
        if previous is not None and previous.shape == found.mask.shape:
            ious.append(mask_iou(previous, found.mask))
        previous = found.mask
        size = measure(found.mask)
        if size is not None:
            places.append((size.centroid_x, size.centroid_y, float(size.area_px)))
    if not ious:
        raise UsageError(
            f"stability needs at least two frames: {video} has {frames}: give a longer one"
        )
    steps = np.abs(np.diff(np.array(places), axis=0)) if len(places) > 1 else np.zeros((1, 3))
    area = float(np.median([p[2] for p in places])) if places else 1.0
    return Stability(
        frames,
        present / frames,
        float(np.mean(ious)),
        float(np.percentile(ious, 5)),
        float(np.median(np.hypot(steps[:, 0], steps[:, 1]))),
        float(np.median(steps[:, 2]) / area),
    )


def write_evaluation(folder: Path, evaluation: Evaluation | None, about: dict[str, Any]) -> None:
    """Write evaluation.json and, of annotated frames, evaluation.csv into a folder.

    Without annotated frames the files that an earlier evaluation has of them go.
    Raises OutputError.
    """
    content = dict(about)
    if evaluation is not None:
        content |= {
            "summaries": [asdict(s) for s in evaluation.summaries],
            "frames": [asdict(s) for s in evaluation.scores],
            "unusable": [asdict(p) for p in evaluation.problems],
        }
    write_file(folder / FILES[0], (json.dumps(content, indent=1, default=str) + "\n").encode())
    if evaluation is None:
        for name in FILES[1:]:
            with output_errors(folder / name):
                (folder / name).unlink(missing_ok=True)
        return
    with atomic_path(folder / FILES[1]) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(asdict(evaluation.scores[0])), lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(s) for s in evaluation.scores)


def check_folder(folder: Path, overwrite: bool) -> None:
    """Create the output folder. Raises OutputError if it contains an earlier evaluation."""
    for name in FILES:
        if (folder / name).exists() and not overwrite:
            raise OutputError(
                f"output exists: {folder / name}: pass overwrite=True or another folder"
            )
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)


def _scored(
    pairs: Sequence[Pair], problems: list[Problem], segmenter: Segmenter
) -> Iterator[tuple[Score, Overlap]]:
    for pair in pairs:
        try:
            image, true = load_pair(pair)
        except BadAnnotationError as err:
            problems.append(Problem(pair.name, str(err)))
            continue
        found = segmenter(image)
        agreement = overlap(found.mask, true)
        hd95, distance = surface_distances(found.mask, true)
        score = Score(
            pair.name, pair.case, agreement.iou, agreement.dice, hd95, distance, found.confidence
        )
        yield score, agreement


def _summarize(name: str, scores: Sequence[Score], overlaps: Sequence[Overlap]) -> Summary:
    pixels = sum(overlaps, Overlap(0, 0, 0))
    ious = np.array([s.iou for s in scores])
    low, high = bootstrap_interval(ious, [s.case for s in scores])
    return Summary(
        name,
        len(scores),
        float(ious.mean()),
        low,
        high,
        float(np.mean([s.dice for s in scores])),
        pixels.iou,
        pixels.dice,
        float(np.mean([s.hd95_px for s in scores])),
        float(np.mean([s.surface_distance_px for s in scores])),
    )


def _draw_sheet(path: Path, ranked: Sequence[tuple[Pair, Score]], segmenter: Segmenter) -> None:
    tiles = []
    for pair, score in ranked:
        image, true = load_pair(pair)
        caption = f"{pair.case}/{pair.image.name} IoU {score.iou:.3f}"
        tiles.append((image, true, segmenter(image).mask, caption))
    contact_sheet(path, tiles)
