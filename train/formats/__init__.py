"""Annotated frames of all common formats, as one list of pairs.

A format is a file with `recognizes` and `read`, and a line in FORMATS.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cornea_stream.errors import SourceError, UsageError
from cornea_train.formats import coco, cvat, known_masks, label_studio, masks, supervisely, yolo
from cornea_train.formats.base import (
    DEFAULTS,
    Content,
    DataOptions,
    Format,
    Mask,
    Pair,
    Problem,
    normalized,
)
from cornea_train.formats.files import BadAnnotationError, DataFolder
from cornea_train.formats.groups import grouped

__all__ = [
    "AUTO",
    "DEFAULTS",
    "FORMATS",
    "BadAnnotationError",
    "Content",
    "DataOptions",
    "Format",
    "Mask",
    "Pair",
    "Problem",
    "check_names",
    "find_pairs",
]

AUTO = "auto"
_MAX_SHOWN, _LONGEST_SHOWN = 40, 60
FORMATS = (
    Format("supervisely", supervisely.recognizes, supervisely.read, supervisely.EXPECTS),
    Format("coco", coco.recognizes, coco.read, coco.EXPECTS),
    Format("cvat", cvat.recognizes, cvat.read, cvat.EXPECTS),
    Format("labelstudio", label_studio.recognizes, label_studio.read, label_studio.EXPECTS),
    Format("yolo", yolo.recognizes, yolo.read, yolo.EXPECTS),
    Format("cadis", known_masks.is_cadis, known_masks.read_cadis, known_masks.EXPECTS_CADIS),
    Format(
        "cataract1k-masks", lambda _: False, known_masks.read_cataract_1k,
        known_masks.EXPECTS_CATARACT_1K,
    ),
    Format(
        "masks", lambda f: masks.recognizes(f) and not known_masks.is_cadis(f), masks.read,
        masks.EXPECTS,
    ),
)  # fmt: skip


def find_pairs(data_dir: Path, options: DataOptions = DEFAULTS) -> tuple[list[Pair], list[Problem]]:
    """Return the pairs of images and annotations below a folder, sorted by name, and problems.

    Images without an annotation, annotations without an image, and images that are annotated
    twice are problems. Raises UsageError for options that do not fit the data, and SourceError if
    the folder cannot be read, is of no known format or of several, or lacks the class.
    """
    options.check()
    folder = DataFolder(data_dir)
    reading = _choose(folder, options.data_format).read(folder, options)
    if not reading.pairs and not reading.problems:
        raise SourceError(f"no annotated frames: {data_dir}: check data_dir and data_format")
    if reading.pairs:
        _check_class(data_dir, reading.classes, options)
    pairs, repeated = _without_repeats(reading.pairs)
    return grouped(pairs, options.group_by), [*reading.problems, *repeated]


def check_names(data_format: str) -> None:
    """Raise UsageError for a format that is not known."""
    names = [AUTO, *(known.name for known in FORMATS)]
    if data_format not in names:
        raise UsageError(
            f"data_format must be one of these: {data_format!r}: use {', '.join(names)}"
        )


def _choose(folder: DataFolder, name: str) -> Format:
    check_names(name)
    for known in FORMATS:
        if known.name == name:
            return known
    found = [known for known in FORMATS if known.recognizes(folder)]
    if not found:
        expected = "".join(f"\n  {known.name}: {known.expects}" for known in FORMATS)
        raise SourceError(
            f"no annotated frames: {folder.root}: expected one of these formats:{expected}"
        )
    # Cataract-1K is published with COCO files beside; `annotate` writes one too.
    if len(found) > 1 and not supervisely.is_published_layout(folder):
        names = " and ".join(known.name for known in found)
        raise SourceError(
            f"annotations in several formats: {folder.root}: {names}: choose one with "
            f"data_format={found[0].name}"
        )
    return found[0]


def _check_class(data_dir: Path, names: Iterable[str], options: DataOptions) -> None:
    """Raise SourceError if there are classes, and the wanted one is not among them."""
    others: dict[str, str] = {}
    for name in names:
        if options.is_class(name) or options.is_empty_tag(name):
            return
        others.setdefault(normalized(name), _shown(name))
    if others:
        listed = [*list(others.values())[:_MAX_SHOWN], *(["…"] if len(others) > _MAX_SHOWN else [])]
        raise SourceError(
            f"no class {options.class_name!r}: {data_dir}: it has {', '.join(listed)}: choose one "
            "with class_name=NAME"
        )


def _shown(name: str) -> str:
    """Return a name from a file in one short line."""
    line = "".join(c for c in " ".join(name.split()) if c.isprintable())
    return line if len(line) <= _LONGEST_SHOWN else line[:_LONGEST_SHOWN] + "…"


def _without_repeats(pairs: list[Pair]) -> tuple[list[Pair], list[Problem]]:
    unique: dict[str, Pair] = {}
    problems: list[Problem] = []
    for pair in sorted(pairs, key=lambda pair: pair.name):
        first = unique.setdefault(pair.name, pair)
        if first is not pair:
            where = f"in {first.annotation.name} and in {pair.annotation.name}"
            problems.append(Problem(pair.name, f"annotated twice, {where}"))
    return list(unique.values()), problems
