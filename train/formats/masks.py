"""Mask images beside images: index, gray or color, by value or by the class of a known data set."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cornea_stream.errors import SourceError, UsageError
from cornea_stream.sources.stills import PILLOW_ERRORS
from cornea_train.formats.base import Content, DataOptions, Pair, Problem, Reading, normalized
from cornea_train.formats.files import CONTAINERS, BadAnnotationError, DataFolder
from cornea_train.formats.groups import folder_group
from cornea_train.formats.shapes import pixels

EXPECTS = "images/x.png with masks/x.png, or x.png with x_mask.png"
_MASK_FOLDERS = frozenset(
    {"annotations", "gt", "label", "labels", "mask", "masks", "segmentationclass"}
)
_MASK_NAME = re.compile(r"[ ._-]?(mask|label|labels|seg|segmentation|gt)$", re.IGNORECASE)
_INSTANCES = "segmentationobject"
_LABEL_MAP = "labelmap.txt"
_MAX_SHOWN = 12

Values = frozenset[int]
"""Values of a class: numbers up to 65535, or colors as _COLOR + 0xrrggbb."""
_COLOR = 1 << 24


def recognizes(folder: DataFolder) -> bool:
    """Whether there are images with masks of the same name."""
    return bool(_matched(folder)[0])


def read(
    folder: DataFolder, options: DataOptions, table: Mapping[str, tuple[int, ...]] | None = None
) -> Reading:
    """Return the pairs of images and masks of the same name.

    Which pixels are the class is said, in this order, by `mask_value`, by `table` (values by class
    name), by labelmap.txt (as CVAT and VOC write it), or by the masks, if they have one value
    besides 0. Raises SourceError and UsageError if it remains unknown.
    """
    matched, problems = _matched(folder)
    names = table or _label_map(folder)
    classes: Sequence[str] = ()
    if options.mask_value is not None:
        values = parse_values(options.mask_value)
    elif names:
        classes = list(names)
        found = [v for name, v in names.items() if options.is_class(name)]
        values = frozenset(found[0]) if found else frozenset()
    else:
        values = _only_value([folder.images[mask] for mask in matched.values()])
    pairs = []
    for image, mask in matched.items():
        file = folder.images[mask]
        content = partial(_content, file, values, options)
        pairs.append(Pair(folder.images[image], file, folder_group(image), image, content, options))
    return Reading(pairs, problems, classes)


def parse_values(text: str) -> Values:
    """Return the values in a text such as 255, 1,4-6 or #ff0000,#00ff00. Raises UsageError.

    >>> sorted(parse_values("1,4-6"))
    [1, 4, 5, 6]
    """
    found: set[int] = set()
    for part in text.replace(" ", "").split(","):
        color = re.fullmatch(r"#([0-9a-fA-F]{6})", part)
        numbers = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part)
        if color:
            found.add(_COLOR + int(color[1], 16))
        elif numbers:
            found |= set(range(int(numbers[1]), int(numbers[2] or numbers[1]) + 1))
        else:
            raise UsageError(
                f"mask_value must be a list of numbers or colors: {text!r}: try 255, 1,4-6 or "
                "#ff0000"
            )
    return frozenset(found)


def _matched(folder: DataFolder) -> tuple[dict[str, str], list[Problem]]:
    """Return the masks by image, and what has no counterpart."""
    problems: list[Problem] = []
    masks: dict[tuple[str, ...], str] = {}
    images: dict[tuple[str, ...], str] = {}
    for name in folder.images:
        path = PurePosixPath(name)
        if path.parent.name.lower() == _INSTANCES:
            continue
        known = masks if _is_mask(path) else images
        first = known.setdefault(_key(path), name)
        if first != name:
            problems.append(Problem(name, f"has the name of {first}"))
    matched = {images[key]: masks[key] for key in images if key in masks}
    if not matched:
        return {}, []
    for found, others, reason in (
        (images, masks, "image without annotation"),
        (masks, images, "annotation without image"),
    ):
        problems += [Problem(name, reason) for key, name in found.items() if key not in others]
    return matched, problems


def _is_mask(path: PurePosixPath) -> bool:
    in_folder = any(part.lower() in _MASK_FOLDERS for part in path.parent.parts)
    return in_folder or _MASK_NAME.search(path.stem) is not None


def _key(path: PurePosixPath) -> tuple[str, ...]:
    """Return what the paths of an image and its mask have in common."""
    skipped = CONTAINERS | _MASK_FOLDERS
    folders = (part for part in path.parent.parts if part.lower() not in skipped)
    return (*folders, _MASK_NAME.sub("", path.stem))


def _label_map(folder: DataFolder) -> Mapping[str, tuple[int, ...]]:
    """Return the colors by class name of a labelmap.txt: `name:r,g,b:parts:actions` per line."""
    file = next((p for n, p in folder.files.items() if PurePosixPath(n).name == _LABEL_MAP), None)
    if file is None:
        return {}
    names: dict[str, tuple[int, ...]] = {}
    for line in file.read_text(encoding="utf-8-sig", errors="replace").splitlines():
        match = re.match(r"([^#:][^:]*):(\d+),(\d+),(\d+)", line)
        if match:
            red, green, blue = (min(int(match[i]), 255) for i in (2, 3, 4))
            names[match[1]] = (_COLOR + (red << 16 | green << 8 | blue),)
    return names


def _only_value(masks: Sequence[Path]) -> Values:
    """Return the value besides 0 that all masks have. Raises SourceError if there are several."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        values = set().union(*pool.map(_values_in, masks)) - {0, _COLOR}
    if len(values) > 1:
        raise SourceError(
            f"masks have several values: {masks[0].parent}: {_listed([0, *values])}: say which of "
            "them are the class with mask_value=VALUE, or give a data_format whose classes are "
            "known"
        )
    return frozenset(values)


def _values_in(path: Path) -> set[int]:
    try:
        return set(np.unique(_read(path, as_colors=False)).tolist())
    except BadAnnotationError:
        return set()  # reading the pair reports it


def _listed(values: object) -> str:
    found = np.unique(np.asarray(values)).tolist()
    shown = [f"#{v - _COLOR:06x}" if v >= _COLOR else str(v) for v in found[:_MAX_SHOWN]]
    return ", ".join(shown) + (", …" if len(found) > _MAX_SHOWN else "")


def _content(path: Path, values: Values, options: DataOptions) -> Content:
    found = _read(path, as_colors=any(value >= _COLOR for value in values))
    drawn = np.isin(found, list(values))
    if not drawn.any() and not options.empty_is_background:
        raise BadAnnotationError(
            f"no {normalized(options.class_name)} in the mask, whose values are {_listed(found)} "
            "(empty_is_background=True takes such frames)"
        )
    return Content([pixels(drawn)] if drawn.any() else [], drawn.shape)


def _read(path: Path, *, as_colors: bool) -> NDArray[np.int64]:
    """Return the (H, W) values of a mask: numbers, or _COLOR + 0xrrggbb.

    A palette image has its numbers unless `as_colors`, and a color image without colors is gray.
    Raises BadAnnotationError.
    """
    try:
        with Image.open(path) as opened:
            if opened.mode in ("P", "PA") and as_colors:
                stored = np.asarray(opened.convert("RGB"))
            elif opened.mode in ("1", "L", "P", "I", "I;16", "I;16B", "LA", "PA"):
                stored = np.asarray(opened.convert("L") if opened.mode == "1" else opened)
            else:
                stored = np.asarray(opened.convert("RGB"))
    except PILLOW_ERRORS as err:
        raise BadAnnotationError(f"the mask cannot be decoded: {err}") from err
    if stored.ndim == 3 and stored.shape[2] == 2:
        stored = stored[..., 0]
    if stored.ndim == 2 and not as_colors:
        return stored.astype(np.int64)
    if stored.ndim == 2:
        stored = np.repeat(stored[..., None], 3, axis=2)
    red, green, blue = (stored[..., i].astype(np.int64) for i in range(3))
    if not as_colors and (red == green).all() and (green == blue).all():
        return red
    return _COLOR + (red << 16 | green << 8 | blue)
