"""CVAT for images 1.1 and CVAT for video 1.1."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cornea_stream.errors import require
from cornea_train.formats.base import Content, DataOptions, Pair, Problem, Reading, Shape
from cornea_train.formats.files import BadAnnotationError, DataFolder
from cornea_train.formats.groups import folder_group
from cornea_train.formats.shapes import ellipse, patch_runs, polygon, rectangle

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

EXPECTS = "annotations.xml of CVAT for images or for video, and the images (export them too)"
_ROOT = re.compile(rb"<annotations[\s>]")


@dataclass(slots=True)
class _Image:
    """An image or frame of a file with its shapes: (label, XML element)."""

    name: str
    size: tuple[int, int] | None
    items: list[tuple[str, Element]] = field(default_factory=list)
    is_frame: bool = False


def recognizes(folder: DataFolder) -> bool:
    """Whether there is an XML file of CVAT."""
    return bool(_files(folder))


def read(folder: DataFolder, options: DataOptions) -> Reading:
    """Return the pairs of all images that the XML files list. Other images are left out."""
    pairs: list[Pair] = []
    problems: list[Problem] = []
    classes: dict[str, None] = {}
    for file, path in _files(folder).items():
        try:
            root = _parse(path)
            images = [*_images(root), *_frames(root)]
        except BadAnnotationError as err:
            problems.append(Problem(file, str(err)))
            continue
        classes |= dict.fromkeys(e.text or "" for e in root.iterfind(".//labels/label/name"))
        classes |= dict.fromkeys(label for image in images for label, _ in image.items)
        for image in images:
            try:
                name = folder.find_image(image.name, file, any_suffix=image.is_frame)
            except BadAnnotationError as err:
                problems.append(Problem(f"{file}: {image.name}", str(err)))
                continue
            content = partial(_content, image, options)
            pairs.append(
                Pair(folder.images[name], path, folder_group(name), name, content, options)
            )
    return Reading(pairs, problems, classes)


def _files(folder: DataFolder) -> dict[str, Path]:
    found = {}
    for name, path in folder.with_suffix(".xml").items():
        try:
            with path.open("rb") as file:
                begins = file.read(4096)
        except OSError:
            continue
        if _ROOT.search(begins) and b"<annotation>" not in begins:
            found[name] = path
    return found


def _parse(path: Path) -> Element:
    require("defusedxml", "train", "reading CVAT data")
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, parse

    try:
        root: Element = parse(path, forbid_dtd=True).getroot()
    except DefusedXmlException as err:
        raise BadAnnotationError("the XML defines entities, which CVAT never does") from err
    except (ParseError, OSError, ValueError, LookupError) as err:
        raise BadAnnotationError(f"malformed XML: {err}") from err
    return root


def _images(root: Element) -> Iterator[_Image]:
    for element in root.iterfind("image"):
        size = _int(element, "height"), _int(element, "width")
        items = [(child.get("label", ""), child) for child in element]
        yield _Image(element.get("name", ""), size, items)


def _frames(root: Element) -> Iterator[_Image]:
    """Yield the frames of a video that its tracks mention; exports hold every one of a track."""
    original = root.find(".//original_size")
    size = None
    if original is not None:
        try:
            size = int(original.findtext("height", "")), int(original.findtext("width", ""))
        except ValueError as err:
            raise BadAnnotationError("the original size of the video has no numbers") from err
    frames: dict[int, _Image] = {}
    for track in root.iterfind("track"):
        for shape in track:
            number = _int(shape, "frame")
            image = frames.setdefault(number, _Image(f"frame_{number:06d}", size, is_frame=True))
            image.items.append((track.get("label", ""), shape))
    yield from (frames[number] for number in sorted(frames))


def _int(element: Element, name: str) -> int:
    try:
        return int(element.get(name, ""))
    except ValueError as err:
        raise BadAnnotationError(f"<{element.tag}> has no number {name!r}") from err


def _content(image: _Image, options: DataOptions) -> Content:
    shapes = []
    is_empty = any(options.is_empty_tag(label) for label, _ in image.items)
    for label, element in image.items:
        if not options.is_class(label) or element.tag == "tag":
            continue
        if element.get("outside") == "1":  # somebody marked that the track leaves the frame here
            is_empty = True
            continue
        try:
            shapes.append(_shape(element))
        except (KeyError, ValueError) as err:
            raise BadAnnotationError(f"malformed <{element.tag}>: {err}") from err
    return Content(shapes, image.size, is_empty)


def _shape(element: Element) -> Shape:
    def number(name: str) -> float:
        return float(element.attrib[name])

    turn_deg = float(element.get("rotation", 0))
    if element.tag == "polygon":
        return polygon([p.split(",") for p in element.attrib["points"].split(";")])
    if element.tag == "ellipse":
        radii = number("rx"), number("ry")
        return ellipse(number("cx"), number("cy"), *radii, turn_deg=turn_deg)
    if element.tag == "box":
        return _box(number("xtl"), number("ytl"), number("xbr"), number("ybr"), turn_deg)
    if element.tag == "mask":
        counts = [int(count) for count in element.attrib["rle"].split(",")]
        size = int(number("height")), int(number("width"))
        return patch_runs(counts, size, (int(number("left")), int(number("top"))))
    raise BadAnnotationError(f"<{element.tag}> is not an area")


def _box(left: float, top: float, right: float, bottom: float, turn_deg: float) -> Shape:
    """Return a box turned about its center, as CVAT does."""
    angle = np.radians(turn_deg)
    x, y = (left + right) / 2, (top + bottom) / 2
    half = np.array([left - x, top - y])
    corner = (
        x + half[0] * np.cos(angle) - half[1] * np.sin(angle),
        y + half[0] * np.sin(angle) + half[1] * np.cos(angle),
    )
    return rectangle(*corner, right - left, bottom - top, turn_deg=turn_deg)
