"""COCO JSON: polygons and run lengths, one file or one per subset."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import Any

from cornea_train.coco import is_written_here
from cornea_train.formats.base import Content, DataOptions, Pair, Problem, Reading, Shape
from cornea_train.formats.files import BadAnnotationError, DataFolder
from cornea_train.formats.groups import folder_group
from cornea_train.formats.shapes import polygon, run_lengths

EXPECTS = "a JSON file with images, annotations and categories, and the images"


def recognizes(folder: DataFolder) -> bool:
    """Whether there is a COCO file."""
    return bool(_documents(folder))


def read(folder: DataFolder, options: DataOptions) -> Reading:
    """Return the pairs of all images that COCO files list. Other images are left out."""
    pairs: list[Pair] = []
    problems: list[Problem] = []
    classes: dict[str, None] = {}
    for file, document in _documents(folder).items():
        names = {str(c.get("id")): str(c.get("name")) for c in _dicts(document["categories"])}
        classes |= dict.fromkeys(names.values())
        items: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for item in _dicts(document["annotations"]):
            items[str(item.get("image_id"))].append(item)
        for image in _dicts(document["images"]):
            listed = str(image.get("file_name"))
            try:
                name = folder.find_image(listed, file)
            except BadAnnotationError as err:
                problems.append(Problem(f"{file}: {listed}", str(err)))
                continue
            own = items[str(image.get("id"))]
            read_image = partial(_content, image, own, names, options, is_written_here(document))
            path = folder.images[name]
            pairs.append(
                Pair(path, folder.files[file], folder_group(name), name, read_image, options)
            )
    return Reading(pairs, problems, classes)


def _documents(folder: DataFolder) -> dict[str, dict[str, Any]]:
    return {
        name: content
        for name, content in folder.json_files().items()
        if isinstance(content, dict)
        and all(isinstance(content.get(k), list) for k in ("images", "annotations", "categories"))
    }


def _dicts(values: list[Any]) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)]


def _content(
    image: dict[str, Any],
    items: list[dict[str, Any]],
    names: dict[str, str],
    options: DataOptions,
    lists_empty: bool,
) -> Content:
    size = (image.get("height"), image.get("width"))
    if not all(isinstance(side, int) for side in size):
        raise BadAnnotationError("width and height of the image are missing")
    labels = [names.get(str(item.get("category_id"))) for item in items]
    shapes = [
        shape
        for item, label in zip(items, labels, strict=True)
        if options.is_class(label)
        for shape in _shapes(item.get("segmentation"))
    ]
    # An image without annotations counts as forgotten, but our own files list frames so.
    is_empty = any(map(options.is_empty_tag, labels)) or (lists_empty and not items)
    return Content(shapes, size, is_empty)  # type: ignore[arg-type] # checked above


def _shapes(segmentation: Any) -> list[Shape]:
    if isinstance(segmentation, dict):
        try:
            height, width = map(int, segmentation["size"])
            return [run_lengths(segmentation["counts"], (height, width))]
        except (KeyError, TypeError, ValueError) as err:
            raise BadAnnotationError(f"malformed run lengths: {err}") from err
    if not segmentation or not isinstance(segmentation, list):
        raise BadAnnotationError("an annotation is a box without an outline")
    return [polygon(points) for points in segmentation]
