"""Whatever stands in an annotation file: a pair is usable, or it is said why not."""

from __future__ import annotations

import contextlib
import copy
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from cornea_stream.errors import SourceError
from cornea_train.formats import DataOptions

from ..conftest import annotation, circle, eye, polygon, write_pair
from .annotated import TOOLS, export, reasons, write_image

JUNK: tuple[Any, ...] = (None, -7, 1e300, "", "http://[x", [], [[]], {}, {"size": 1})


def places(content: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value in JSON; of lists of numbers to the first one only."""
    if isinstance(content, dict | list):
        items = list(content.items() if isinstance(content, dict) else enumerate(content))
        if items and isinstance(content, list) and not isinstance(content[0], dict | list):
            items = items[:1]
        for key, value in items:
            yield (*place, key)
            yield from places(value, (*place, key))


def with_junk(content: Any, place: tuple[Any, ...], junk: Any) -> Any:
    changed = copy.deepcopy(content)
    inside = changed
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = junk
    return changed


def read_all(root: Path, data_format: str) -> None:
    """Read everything; only what is meant for users may be raised."""
    with contextlib.suppress(SourceError):
        reasons(root, DataOptions(data_format, empty_is_background=True))


@pytest.mark.parametrize("tool", ["datumaro_coco", "datumaro_coco_rle", "label_studio"])
def test_junk_anywhere_in_json(tmp_path: Path, tool: str) -> None:
    root = export(tmp_path, tool, TOOLS[tool][1])
    (file,) = root.rglob("*.json")
    content = json.loads(file.read_text())
    ways = list(places(content))
    assert len(ways) > 60
    for number, way in enumerate(ways):
        for junk in JUNK[number % 3 :: 3]:
            file.write_text(json.dumps(with_junk(content, way, junk)))
            read_all(root, TOOLS[tool][0])


def test_junk_anywhere_in_an_annotation_of_supervisely(tmp_path: Path) -> None:
    image, _ = eye(1)
    text = annotation([polygon(circle(40, 40, 20), holes=[circle(40, 40, 8)])])
    write_pair(tmp_path / "case_1", "x.png", image, text)
    content = json.loads(text) | {"tags": [{"name": "x"}]}
    for way in places(content):
        for junk in JUNK:
            path = tmp_path / "case_1" / "ann" / "x.png.json"
            path.write_text(json.dumps(with_junk(content, way, junk)))
            read_all(tmp_path, "supervisely")


def test_junk_anywhere_in_xml(tmp_path: Path) -> None:
    root = export(tmp_path, "datumaro_cvat", TOOLS["datumaro_cvat"][1])
    (file,) = root.glob("*.xml")
    tree = ElementTree.fromstring(file.read_text())
    size = ElementTree.SubElement(ElementTree.SubElement(tree, "meta"), "original_size")
    ElementTree.SubElement(size, "height").text = "80"
    ElementTree.SubElement(size, "width").text = "96"
    track = ElementTree.SubElement(tree, "track", label="Cornea")
    ElementTree.SubElement(track, "box", frame="0", xtl="1", ytl="1", xbr="50", ybr="60")
    for element in tree.iter():
        for name, value in list(element.attrib.items()):
            for junk in ("", "x", "-1", "nan", "1e300", "9;9", "1,2,3"):
                element.set(name, junk)
                file.write_bytes(ElementTree.tostring(tree))
                read_all(root, "cvat")
            element.set(name, value)
        text, element.text = element.text, "x"
        file.write_bytes(ElementTree.tostring(tree))
        read_all(root, "cvat")
        element.text = text


def huge_png() -> bytes:
    """Return a PNG that says it has 10 billion pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + chunk(b"IEND", b"")


def test_images_and_masks_of_impossible_sizes(tmp_path: Path) -> None:
    write_pair(tmp_path / "a" / "case_1", "x.png", *eye(1))
    (tmp_path / "a" / "case_1" / "img" / "x.png").write_bytes(huge_png())
    assert "cannot be decoded" in reasons(tmp_path / "a")["case_1/img/x.png"]
    write_image(tmp_path / "b" / "images" / "x.png")
    (tmp_path / "b" / "masks").mkdir()
    (tmp_path / "b" / "masks" / "x.png").write_bytes(huge_png())
    assert "cannot be decoded" in reasons(tmp_path / "b")["images/x.png"]


@pytest.mark.parametrize("names", ["names: 5", "names: Cornea", "- Cornea", "5", ""])
def test_odd_class_names_of_yolo(tmp_path: Path, names: str) -> None:
    root = export(tmp_path, "supervision_yolo", TOOLS["supervision_yolo"][1])
    (file,) = root.rglob("*.yaml")
    file.write_text(names)
    with pytest.raises(SourceError, match=r"no class 'Cornea': .*: it has 1, 0"):
        reasons(root)


def test_numbers_as_texts_are_the_same_numbers(tmp_path: Path) -> None:
    root = export(tmp_path, "datumaro_coco", TOOLS["datumaro_coco"][1])
    (file,) = root.rglob("*.json")
    content = json.loads(file.read_text())
    for item in content["annotations"]:
        item["image_id"] = str(item["image_id"])
    file.write_text(json.dumps(content))
    assert reasons(root, DataOptions(empty_is_background=True)) == {}
