"""YOLO segmentation: a text file per image with outlines in shares of its size."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from cornea_stream.errors import SourceError, require
from cornea_train.formats.base import Content, DataOptions, Mask, Pair, Problem, Reading
from cornea_train.formats.files import CONTAINERS, BadAnnotationError, DataFolder
from cornea_train.formats.groups import folder_group
from cornea_train.formats.shapes import polygon

EXPECTS = "images/*.png with labels/*.txt and the class names in data.yaml"
_LABELS = "labels"


def recognizes(folder: DataFolder) -> bool:
    """Whether there are text files in folders named labels."""
    return any(map(_is_label, folder.with_suffix(".txt")))


def read(folder: DataFolder, options: DataOptions) -> Reading:
    """Return the pairs of images and text files of the same name.

    Without class names the numbers of the classes are their names. Raises SourceError for a
    malformed file of class names.
    """
    names = _class_names(folder)
    pairs: list[Pair] = []
    problems: list[Problem] = []
    images: dict[tuple[str, ...], str] = {}
    for name in folder.images:
        first = images.setdefault(_key(name), name)
        if first != name:
            problems.append(Problem(name, f"has the name of {first}"))
    labels = {_key(n): n for n in folder.with_suffix(".txt") if _is_label(n)}
    problems += [
        Problem(name, "annotation without image")
        for key, name in labels.items()
        if key not in images
    ]
    for key, name in images.items():
        path = folder.images[name]
        if key in labels:
            file = folder.files[labels[key]]
        elif options.empty_is_background:  # as YOLO itself takes it
            file = path
        else:
            problems.append(Problem(name, "image without annotation"))
            continue
        content = partial(_content, file if key in labels else None, names, options)
        pairs.append(Pair(path, file, folder_group(name), name, content, options))
    return Reading(pairs, problems, names.values() if names else _numbers(pairs))


def _is_label(name: str) -> bool:
    return _LABELS in PurePosixPath(name).parts[:-1]


def _key(name: str) -> tuple[str, ...]:
    """Return what the paths of an image and its text file have in common."""
    path = PurePosixPath(name)
    skipped = CONTAINERS | {_LABELS}
    return (*(part for part in path.parent.parts if part.lower() not in skipped), path.stem)


def _class_names(folder: DataFolder) -> dict[str, str]:
    """Return the class names by number, from a YAML file or from classes.txt."""
    for name, path in folder.with_suffix(".yaml", ".yml").items():
        names = _names_in_yaml(name, path)
        if names:
            return names
    for name, path in folder.with_suffix(".txt").items():
        if PurePosixPath(name).name in ("classes.txt", "obj.names"):
            lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
            return {str(i): line.strip() for i, line in enumerate(lines) if line.strip()}
    return {}


def _names_in_yaml(name: str, path: Path) -> dict[str, str]:
    require("yaml", "train", "reading YOLO data")
    import yaml

    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeError, OSError, RecursionError) as err:
        reason = " ".join(str(err).split())[:200]
        raise SourceError(
            f"class names cannot be read: {name}: {reason}: correct the file"
        ) from err
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict):
        return {str(number): str(label) for number, label in names.items()}
    return {str(i): str(label) for i, label in enumerate(names)} if isinstance(names, list) else {}


def _numbers(pairs: list[Pair]) -> Iterator[str]:
    for pair in pairs:
        try:
            yield from (line[0] for line in _lines(pair.annotation))
        except BadAnnotationError:
            continue  # reading the pair reports it


def _lines(path: Path) -> list[list[str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as err:
        raise BadAnnotationError(f"annotation cannot be read: {err.strerror}") from err
    except UnicodeError as err:
        raise BadAnnotationError("annotation is not text") from err
    return [line.split() for line in text.splitlines() if line.strip()]


def _content(path: Path | None, names: dict[str, str], options: DataOptions) -> Content:
    shapes = []
    is_empty = False
    for number, *values in _lines(path) if path else []:
        if names and number not in names:
            raise BadAnnotationError(f"class {number} has no name")
        label = names.get(number, number)
        is_empty = is_empty or options.is_empty_tag(label)
        if not options.is_class(label):
            continue
        if len(values) == 4:
            raise BadAnnotationError("an annotation is a box without an outline")
        try:
            outline = np.array(values, float)
        except ValueError as err:
            raise BadAnnotationError(f"malformed outline: {err}") from err
        shapes.append(partial(_fill, outline=outline))
    return Content(shapes, None, is_empty)


def _fill(mask: Mask, outline: Any) -> None:
    height, width = mask.shape
    polygon(outline, scale=(width, height))(mask)
