"""Label Studio: its JSON and JSON-MIN exports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
from numpy.typing import NDArray

from cornea_train.formats.base import Content, DataOptions, Mask, Pair, Problem, Reading, Shape
from cornea_train.formats.files import BadAnnotationError, DataFolder
from cornea_train.formats.groups import folder_group
from cornea_train.formats.shapes import ellipse, polygon, rectangle

EXPECTS = "the JSON or JSON-MIN export of Label Studio, and the images"
_LABELS = ("polygonlabels", "brushlabels", "ellipselabels", "rectanglelabels", "labels", "choices")
_ALPHA, _INSIDE = 3, 128


def recognizes(folder: DataFolder) -> bool:
    """Whether there is an export of Label Studio."""
    return bool(_exports(folder))


def read(folder: DataFolder, options: DataOptions) -> Reading:
    """Return the pairs of all tasks. Of several annotations of a task the ground truth counts.

    Without a ground truth the last one counts. Predictions are ignored, and images are looked up
    in the folder only.
    """
    pairs: list[Pair] = []
    problems: list[Problem] = []
    classes: dict[str, None] = {}
    for file, tasks in _exports(folder).items():
        for number, task in enumerate(tasks, start=1):
            label = f"{file}: task {task.get('id', number)}"
            try:
                name = _image(folder, task, file)
                results = _results(task)
            except BadAnnotationError as err:
                problems.append(Problem(label, str(err)))
                continue
            classes |= dict.fromkeys(name for result in results for name in _names(result))
            content = partial(_content, results, options)
            path = folder.images[name]
            pairs.append(Pair(path, folder.files[file], folder_group(name), name, content, options))
    return Reading(pairs, problems, classes)


def _exports(folder: DataFolder) -> dict[str, list[dict[str, Any]]]:
    return {
        name: content
        for name, content in folder.json_files().items()
        if isinstance(content, list) and content and all(map(_is_task, content))
    }


def _is_task(task: Any) -> bool:
    if not isinstance(task, dict):
        return False
    is_min = "annotation_id" in task or "annotator" in task
    return is_min or (isinstance(task.get("data"), dict) and isinstance(_annotations(task), list))


def _annotations(task: dict[str, Any]) -> Any:
    return task.get("annotations", task.get("completions"))


def _image(folder: DataFolder, task: dict[str, Any], file: str) -> str:
    """Return the image of a task: the first of its texts that ends like one of the folder."""
    reason = BadAnnotationError("annotation without image")
    for value in task.get("data", task).values():
        if not isinstance(value, str):
            continue
        for name in _paths(value):
            try:
                return folder.find_image(name, file)
            except BadAnnotationError as err:
                reason = err if "several" in str(err) else reason
    raise reason


def _paths(address: str) -> Iterator[str]:
    """Yield the paths that an address can mean: local files, and uploads, which have a prefix."""
    try:
        parts = urlsplit(address)
    except ValueError:  # a text in brackets, no address
        return
    yield from parse_qs(parts.query).get("d", [])
    path = unquote(parts.path)
    yield path
    place, _, name = path.rpartition("/")
    prefix, dash, rest = name.partition("-")
    if dash and len(prefix) == 8 and place.rpartition("/")[0].endswith("upload"):
        yield rest


def _results(task: dict[str, Any]) -> list[dict[str, Any]]:
    if "data" not in task:
        found = [v for v in task.values() if isinstance(v, list)]
        return [
            {**entry, "value": entry}
            for values in found
            for entry in values
            if isinstance(entry, dict)
        ] + [{"value": {"choices": [v]}} for v in task.values() if isinstance(v, str)]
    done = [a for a in _annotations(task) if isinstance(a, dict) and not a.get("was_cancelled")]
    if not done:
        raise BadAnnotationError("image without annotation")
    chosen = next(
        (a for a in done if a.get("ground_truth")),
        max(done, key=lambda a: str(a.get("updated_at") or a.get("created_at") or "")),
    )
    results = chosen.get("result")
    if not isinstance(results, list):
        raise BadAnnotationError("the annotation has no list of results")
    return [r for r in results if isinstance(r, dict) and isinstance(r.get("value"), dict)]


def _names(result: dict[str, Any]) -> list[str]:
    found = (result["value"].get(key) for key in _LABELS)
    return [str(name) for names in found if isinstance(names, list) for name in names]


def _content(results: Iterable[dict[str, Any]], options: DataOptions) -> Content:
    shapes: list[Shape] = []
    size: tuple[int, int] | None = None
    is_empty = False
    for result in results:
        names = _names(result)
        is_empty = is_empty or any(map(options.is_empty_tag, names))
        if "choices" in result["value"] or not any(map(options.is_class, names)):
            continue
        try:
            if result.get("image_rotation"):
                raise BadAnnotationError("the image was turned while it was annotated")
            size = int(result["original_height"]), int(result["original_width"])
            shapes.append(_shape(result["value"], size))
        except (KeyError, TypeError, ValueError) as err:
            raise BadAnnotationError(f"malformed region: {err!r}") from err
    return Content(shapes, size, is_empty)


def _shape(value: dict[str, Any], size: tuple[int, int]) -> Shape:
    """Return a region, whose coordinates are percent of the size of the image."""
    down, right = size[0] / 100, size[1] / 100
    if "points" in value:
        return polygon(value["points"], scale=(right, down))
    if "rle" in value:
        return partial(_fill_brush, data=value["rle"])
    turn_deg = float(value.get("rotation", 0))
    x, y = float(value["x"]) * right, float(value["y"]) * down
    if "radiusX" in value:
        radii = float(value["radiusX"]) * right, float(value["radiusY"]) * down
        return ellipse(x, y, *radii, turn_deg=turn_deg)
    width, height = float(value["width"]) * right, float(value["height"]) * down
    return rectangle(x, y, width, height, turn_deg=turn_deg)


def _fill_brush(mask: Mask, data: Any) -> None:
    values = decode_brush(data, mask.size * 4)
    mask[values.reshape(*mask.shape, 4)[..., _ALPHA] >= _INSIDE] = 255


def decode_brush(data: Any, count: int) -> NDArray[np.uint8]:
    """Return the `count` bytes of a brush mask: RGBA, pixel by pixel.

    The code is that of thi.ng's rle-pack: a header (32 bits: number of values; 5: bits of a value
    - 1; four times 4: bits of a run length - 1), then runs: a bit (1: one repeated value), two bits
    (which length), the run length - 1, and the values.
    Raises BadAnnotationError if the data end early or have another number of values.
    """
    try:
        bits = np.unpackbits(np.array(data, np.uint8))
    except (TypeError, ValueError, OverflowError) as err:
        raise BadAnnotationError(f"malformed brush mask: {err}") from err
    at = 0

    def read_number(width: int) -> int:
        nonlocal at
        found = bits[at : at + width]
        if len(found) < width:
            raise BadAnnotationError("the brush mask ends early")
        at += width
        return int("".join(map(str, found.tolist())), 2)

    declared, width = read_number(32), read_number(5) + 1
    if declared != count or width != 8:
        raise BadAnnotationError(
            f"the brush mask has {declared} values of {width} bits instead of {count} of 8"
        )
    lengths = [read_number(4) + 1 for _ in range(4)]
    values = np.zeros(count, np.uint8)
    done = 0
    while done < count:
        is_run = read_number(1)
        end = done + 1 + read_number(lengths[read_number(2)])
        if end > count:
            raise BadAnnotationError("the brush mask has too many values")
        if is_run:
            values[done:end] = read_number(width)
        else:
            size = (end - done) * width
            if at + size > len(bits):
                raise BadAnnotationError("the brush mask ends early")
            values[done:end] = np.packbits(bits[at : at + size])
            at += size
        done = end
    return values
