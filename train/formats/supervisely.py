"""Supervisely projects, and the layout of Cataract-1K."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from cornea_train.formats.base import (
    Content,
    DataOptions,
    Mask,
    Pair,
    Problem,
    Reading,
    Shape,
)
from cornea_train.formats.files import BadAnnotationError, DataFolder, decode_image, read_json
from cornea_train.formats.groups import folder_group
from cornea_train.formats.shapes import MARGIN_SHARE, checked_points, crosses_itself, enclosed

EXPECTS = (
    "case*/img/*.png with case*/ann/*.png.json as in Cataract-1K, other folders with img and ann, "
    "or x.json beside x.png"
)
# Limit for decompressed bitmaps, so that a zlib bomb in an annotation cannot exhaust memory.
_MAX_BITMAP_BYTES = 64 * 2**20


def recognizes(folder: DataFolder) -> bool:
    """Whether there are folders `img` with `ann`, or a JSON file of this form beside an image."""
    if _image_folders(folder):
        return True
    beside = (_annotation_of(folder, name, PurePosixPath(name).parent) for name in folder.images)
    first = next((name for name in beside if name), None)
    if first is None:
        return False
    try:
        content = folder.json(folder.files[first])
    except BadAnnotationError:
        return False
    return isinstance(content, dict) and {"size", "objects"} <= content.keys()


def is_published_layout(folder: DataFolder) -> bool:
    """Whether the folder has the layout of Cataract-1K, which also holds other formats."""
    return any(_is_case(_around(folder, place)) for place in _image_folders(folder))


def read(folder: DataFolder, options: DataOptions) -> Reading:
    """Return the pairs of all `img` folders with their `ann`, or of images beside JSON files.

    If some of the folders around `img` are named case*, the others are left out.
    """
    places = _image_folders(folder)
    cases = [place for place in places if _is_case(_around(folder, place))]
    pairs: list[Pair] = []
    problems: list[Problem] = []
    for place in cases or places or sorted(folder.images_in):
        is_project = place in places
        annotations = place.parent / "ann" if is_project else place
        unused = _json_in(folder, annotations) if is_project else set()
        for name in folder.images_in[place]:
            found = _annotation_of(folder, name, annotations)
            if found is None:
                problems.append(Problem(name, "image without annotation"))
                continue
            unused.discard(found)
            case = _around(folder, place) if is_project else folder_group(name)
            content = partial(read_content, folder.files[found], options)
            pairs.append(
                Pair(folder.images[name], folder.files[found], case, name, content, options)
            )
        problems += [Problem(name, "annotation without image") for name in sorted(unused)]
    return Reading(pairs, problems, _class_names(pairs))


def read_content(path: Path, options: DataOptions) -> Content:
    """Return the shapes of the class in a JSON file; other classes and all paths are ignored.

    Polygons are filled, including their holes unless `respect_holes` is set.
    Raises BadAnnotationError.
    """
    content = read_json(path)
    try:
        size = (content["size"]["height"], content["size"]["width"])
        objects = [o for o in content["objects"] if options.is_class(o["classTitle"])]
    except (KeyError, TypeError) as err:
        raise BadAnnotationError(f"not a Supervisely annotation: {err!r} is missing") from err
    shapes: list[Shape] = [
        partial(_draw, item=item, respect_holes=options.respect_holes) for item in objects
    ]
    return Content(shapes, size, any(map(options.is_empty_tag, _tags(content))))


def _is_case(name: str) -> bool:
    return name.lower().startswith("case")


def _around(folder: DataFolder, place: PurePosixPath) -> str:
    return place.parent.name or folder.root.name


def _image_folders(folder: DataFolder) -> list[PurePosixPath]:
    """Return the folders `img` with images that belong to a case or have a folder `ann` beside."""
    annotated = {PurePosixPath(name).parent for name in folder.with_suffix(".json")}
    return sorted(
        place
        for place in folder.images_in
        if place.name == "img"
        and (_is_case(_around(folder, place)) or place.parent / "ann" in annotated)
    )


def _json_in(folder: DataFolder, place: PurePosixPath) -> set[str]:
    return {n for n in folder.with_suffix(".json") if PurePosixPath(n).parent == place}


def _annotation_of(folder: DataFolder, image: str, place: PurePosixPath) -> str | None:
    path = PurePosixPath(image)
    names = ((place / f"{base}.json").as_posix() for base in (path.name, path.stem))
    return next((name for name in names if name in folder.files), None)


def _class_names(pairs: list[Pair]) -> Iterator[str]:
    for pair in pairs:
        try:
            content = read_json(pair.annotation)
            names = [str(item["classTitle"]) for item in content["objects"]] + _tags(content)
        except (BadAnnotationError, KeyError, TypeError):
            continue  # reading the pair reports it
        yield from names


def _tags(content: Any) -> list[str]:
    tags = content.get("tags")
    return (
        [str(t.get("name")) for t in tags if isinstance(t, dict)] if isinstance(tags, list) else []
    )


def _draw(mask: Mask, item: dict[str, Any], respect_holes: bool) -> None:
    kind = item.get("geometryType", "polygon")
    if kind == "polygon":
        _fill(mask, item["points"]["exterior"], 255)
        for hole in item["points"].get("interior", []) if respect_holes else []:
            _fill(mask, hole, 0)
    elif kind == "rectangle":
        (left, top), (right, bottom) = item["points"]["exterior"]
        corners = [[left, top], [right, top], [right, bottom], [left, bottom]]
        points = checked_points(corners, mask.shape, MARGIN_SHARE)
        cv2.fillPoly(mask, [np.round(points).astype(np.int32)], 255)
    elif kind == "bitmap":
        _paste(mask, item["bitmap"]["data"], item["bitmap"]["origin"])
    else:
        raise BadAnnotationError(f"geometry {kind!r} is neither polygon nor bitmap nor rectangle")


def _fill(mask: Mask, values: Any, value: int) -> None:
    """Fill a polygon as Supervisely means it: (0, 0) is the center of the first pixel.

    Whole numbers are pixels, which belong to the polygon; a curve with fractions encloses pixels.
    """
    points = checked_points(values, mask.shape, MARGIN_SHARE)
    pixels = np.round(points).astype(np.int32)
    if value and crosses_itself(pixels):
        raise BadAnnotationError("the polygon crosses itself")
    if np.array_equal(points, pixels):
        cv2.fillPoly(mask, [pixels], value)
    else:
        mask[enclosed(points, mask.shape[:2])] = value


def _paste(mask: Mask, data: str, origin: Any) -> None:
    """Draw a Supervisely bitmap: a PNG whose last channel is the mask, zlib- and base64-encoded."""
    try:
        inflate = zlib.decompressobj()
        png = inflate.decompress(base64.b64decode(data, validate=True), _MAX_BITMAP_BYTES)
    except (binascii.Error, zlib.error) as err:
        raise BadAnnotationError(f"the bitmap cannot be decompressed: {err}") from err
    image = decode_image(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or inflate.unconsumed_tail:
        raise BadAnnotationError("the bitmap is not a PNG")
    patch = image if image.ndim == 2 else image[..., -1]
    x, y = int(origin[0]), int(origin[1])
    height, width = patch.shape
    if x < 0 or y < 0 or y + height > mask.shape[0] or x + width > mask.shape[1]:
        raise BadAnnotationError("the bitmap lies outside the frame")
    region = mask[y : y + height, x : x + width]
    region[patch > 0] = 255
