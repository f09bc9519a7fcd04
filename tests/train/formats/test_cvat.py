"""CVAT for images and for video."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from cornea_stream.postprocess.mask import iou
from cornea_train.dataset import load_pair
from cornea_train.formats import (
    find_pairs,
)

from .annotated import FRAMES, disc, reasons, write_image

CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta>{meta}</meta>{body}</annotations>"""


def cvat(root: Path, body: str, meta: str = "") -> Path:
    for frame in FRAMES:
        write_image(root / "images" / f"{frame}.png")
    (root / "annotations.xml").write_text(CVAT.format(meta=meta, body=body))
    return root


def cvat_image(shape: str) -> str:
    return f'<image id="0" name="case_a_01.png" width="96" height="80">{shape}</image>'


def test_shapes_of_cvat(tmp_path: Path) -> None:
    runs: list[int] = []
    for value in (disc(48, 40, 20)[20:60, 28:68] > 0).ravel():
        if len(runs) % 2 == value:
            runs.append(0)
        runs[-1] += 1
    rle = ", ".join(map(str, runs))
    shapes = {
        f'<mask label="Cornea" rle="{rle}" left="28" top="20" width="40" height="40"/>': 1.0,
        '<ellipse label="Cornea" cx="48" cy="40" rx="20" ry="20"/>': 0.98,
        '<ellipse label="CORNEA " cx="48" cy="40" rx="20" ry="20" rotation="30"/>': 0.98,
        '<box label="cornea" xtl="28" ytl="20" xbr="68" ybr="60"/>': 0.75,
        '<box label="cornea" xtl="28" ytl="20" xbr="68" ybr="60" rotation="45"/>': 0.75,
        # A cornea that is cut by the frame is still an ellipse.
        '<ellipse label="Cornea" cx="48" cy="40" rx="150" ry="150"/>': 0.1,
        '<tag label="no Cornea"/>': 0,
    }
    for shape, least in shapes.items():
        ((pair,), _) = find_pairs(cvat(tmp_path, cvat_image(shape)))
        assert iou(load_pair(pair)[1], disc(48, 40, 20)) >= least
    turned = '<ellipse label="Cornea" cx="48" cy="40" rx="20" ry="10" rotation="90"/>'
    ((pair,), _) = find_pairs(cvat(tmp_path, cvat_image(turned)))
    assert cv2.boundingRect(load_pair(pair)[1]) == (38, 20, 20, 40)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ('<polyline label="Cornea" points="1,1;2,2;3,3"/>', "is not an area"),
        ('<polygon label="Cornea" points="1,1;2,x;3,3"/>', "malformed geometry"),
        ('<polygon label="Cornea"/>', "malformed <polygon>"),
        ('<ellipse label="Cornea" cx="48" cy="40" rx="0" ry="20"/>', "radii"),
        ('<ellipse label="Cornea" cx="48" cy="40" rx="1e7" ry="20"/>', "radii"),
        ('<mask label="Cornea" rle="5" left="90" top="2" width="5" height="1"/>', "no pixels"),
        ('<mask label="Cornea" rle="0, 5" left="94" top="2" width="5" height="1"/>', "outside"),
        ('<mask label="Cornea" rle="0, 7" left="4" top="2" width="5" height="1"/>', "7 pixels"),
    ],
)
def test_broken_shapes_of_cvat(tmp_path: Path, shape: str, reason: str) -> None:
    assert reason in reasons(cvat(tmp_path, cvat_image(shape)))["images/case_a_01.png"]


def test_videos_of_cvat(tmp_path: Path) -> None:
    shapes = "".join(
        f'<ellipse frame="{n}" outside="{int(n == 2)}" cx="{40 + n}" cy="40" rx="9" ry="9"/>'
        for n in range(3)
    )
    size = "<original_size><width>96</width><height>80</height></original_size>"
    root = cvat(tmp_path, f'<track id="0" label="Cornea">{shapes}</track>', size)
    for number in range(4):
        write_image(root / "images" / f"frame_{number:06d}.PNG")
    pairs, problems = find_pairs(root)
    assert [pair.image.stem for pair in pairs] == [f"frame_{n:06d}" for n in range(3)]
    assert problems == []
    assert iou(load_pair(pairs[1])[1], disc(41, 40, 9)) > 0.95
    assert not load_pair(pairs[2])[1].any()


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE a [<!ENTITY b "c">]><annotations><image/></annotations>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotations></annotations>',
        "<annotations><image></annotations>",
        '<annotations><image name="case_a_01.png" width="x" height="80"/></annotations>',
    ],
)
def test_broken_xml_and_entities(tmp_path: Path, text: str) -> None:
    root = cvat(tmp_path, "")
    (root / "annotations.xml").write_text(text)
    (reason,) = reasons(root).values()
    assert "XML" in reason or "has no number" in reason
