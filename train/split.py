"""The split into training and validation frames."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cornea_stream.errors import OutputError, UsageError
from cornea_train.config import TrainConfig
from cornea_train.formats import Pair

VALIDATION_SHARE = 0.2
MANY_CASES = 5
"""From so many surgeries on, `split="auto"` holds out whole ones."""


@dataclass(frozen=True, slots=True)
class Split:
    """Positions of the training and validation frames in the list of pairs."""

    train: list[int]
    validation: list[int]


def make_split(pairs: Sequence[Pair], config: TrainConfig) -> Split:
    """Split `pairs` by a given file, into folds, or 80/20 with a seed, as configured.

    With `split="case"`, all frames of a surgery are on the same side; so they are with "auto" if
    there are MANY_CASES.
    Raises UsageError if a side would be empty or the given file does not match the data.
    """
    if config.split_file is not None:
        return read_split(config.split_file, pairs)
    rng = np.random.default_rng(config.seed)
    by_case = splits_by_case(pairs, config)
    groups = [pair.case if by_case else pair.name for pair in pairs]
    names = [str(name) for name in rng.permutation(sorted(set(groups)))]
    if config.folds is not None:
        chosen = set(names[config.fold or 0 :: config.folds])
    else:
        chosen = set(names[: max(1, round(VALIDATION_SHARE * len(names)))])
    split = Split(
        [i for i, group in enumerate(groups) if group not in chosen],
        [i for i, group in enumerate(groups) if group in chosen],
    )
    if not split.train or not split.validation:
        what = "surgeries" if by_case else "frames"
        or_by_frame = " or split by frame" if by_case else ""
        raise UsageError(
            f"{len(names)} {what} cannot be split: {len(split.train)} frames to train on, "
            f"{len(split.validation)} to validate: add data, use fewer folds{or_by_frame}"
        )
    return split


def splits_by_case(pairs: Sequence[Pair], config: TrainConfig) -> bool:
    """Whether whole surgeries are held out rather than single frames."""
    if config.split == "auto":
        return len({pair.case for pair in pairs}) >= MANY_CASES
    return config.split in (None, "case")


def write_split(path: Path, split: Split, pairs: Sequence[Pair]) -> None:
    """Write the names on both sides as JSON. Raises OutputError."""
    try:
        path.write_text(json.dumps(_names(split, pairs), indent=1) + "\n")
    except OSError as err:
        raise OutputError(
            f"cannot write output: {path}: {err.strerror}: check free space and permissions"
        ) from err


def check_split(path: Path, split: Split, pairs: Sequence[Pair]) -> None:
    """Raise UsageError if the split in the file differs from this one."""
    if _names(read_split(path, pairs), pairs) != _names(split, pairs):
        raise UsageError(
            f"cannot resume with different frames: {path}: use the data and the split of that run, "
            "or start again in another output folder"
        )


def _names(split: Split, pairs: Sequence[Pair]) -> dict[str, list[str]]:
    return {
        "train": [pairs[i].name for i in split.train],
        "validation": [pairs[i].name for i in split.validation],
    }


def read_split(path: Path, pairs: Sequence[Pair]) -> Split:
    """Return the split from a file, for the same or more data. Raises UsageError."""
    try:
        content = json.loads(path.read_text())
        sides = {side: [str(n) for n in content[side]] for side in ("train", "validation")}
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise UsageError(f"not a split file: {path}: {err}: use the split.json of a run") from err
    position = {pair.name: index for index, pair in enumerate(pairs)}
    missing = [name for names in sides.values() for name in names if name not in position]
    if missing:
        raise UsageError(
            f"split file names {len(missing)} frames that are missing or unusable: {path}: "
            f"first {missing[0]}: use the data that it was made from"
        )
    both = set(sides["train"]) & set(sides["validation"])
    if both or not all(sides.values()):
        problem = f"{len(both)} frames on both sides" if both else "an empty side"
        raise UsageError(f"split file has {problem}: {path}: use the split.json of a run")
    return Split(*([position[n] for n in sides[side]] for side in ("train", "validation")))
