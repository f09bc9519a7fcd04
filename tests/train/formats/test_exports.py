"""Exports as the tools write them, and what happens to them on the way."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from cornea_stream.errors import SourceError
from cornea_stream.postprocess.mask import iou
from cornea_train.formats import (
    DataOptions,
    find_pairs,
)

from .annotated import EMPTY, FRAMES, PLACES, TOOLS, disc, export, masks, reasons


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("named", [True, False])
def test_exports_of_the_tools(tmp_path: Path, tool: str, named: bool) -> None:
    form, images, least = TOOLS[tool]
    root = export(tmp_path, tool, images)
    options = DataOptions(form if named else "auto", empty_is_background=True)
    pairs, problems = find_pairs(root, options)
    assert problems == []
    found = masks(pairs)
    assert list(found) == list(FRAMES)
    for frame, place in PLACES.items():
        assert iou(found[frame], disc(*place)) >= least
    assert not found[EMPTY].any()


@pytest.mark.parametrize("tool", TOOLS)
def test_another_class_of_the_exports(tmp_path: Path, tool: str) -> None:
    root = export(tmp_path, tool, TOOLS[tool][1])
    pairs, _ = find_pairs(root, DataOptions(class_name=" pupil ", empty_is_background=True))
    x, y, radius = PLACES["case_a_02"]
    assert iou(masks(pairs)["case_a_02"], disc(x, y, radius / 3)) > 0.7
    with pytest.raises(SourceError, match=r"no class 'Iris': .*: it has .*Cornea"):
        find_pairs(root, DataOptions(class_name="Iris", empty_is_background=True))


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if tool != "label_studio"])
def test_an_empty_frame_needs_the_option(tmp_path: Path, tool: str) -> None:
    root = export(tmp_path, tool, TOOLS[tool][1])
    ((name, reason),) = reasons(root).items()
    assert EMPTY in name
    assert "the tag 'no cornea' is missing" in reason


def test_a_choice_of_label_studio_is_the_tag(tmp_path: Path) -> None:
    root = export(tmp_path, "label_studio", TOOLS["label_studio"][1])
    assert reasons(root) == {}


@pytest.mark.parametrize("tool", TOOLS)
def test_a_missing_image_and_another_size(tmp_path: Path, tool: str) -> None:
    images = TOOLS[tool][1]
    root = export(tmp_path, tool, images)
    (root / images.format("case_a_01", number=1)).unlink()
    other = root / images.format("case_a_02", number=2)
    cv2.imwrite(str(other), np.zeros((50, 60, 3), np.uint8))
    found = reasons(root, DataOptions(empty_is_background=True))
    assert "annotation without image" in found.values()
    if tool != "supervision_yolo":  # which has no sizes
        assert "sizes differ: image 60x50, annotation 96x80" in found.values()


@pytest.mark.parametrize("tool", [t for t in TOOLS if TOOLS[t][0] in ("coco", "labelstudio")])
@pytest.mark.parametrize("content", ["", "{", "[]", '{"images": 5}', "[1, 2]"])
def test_another_json_is_no_data(tmp_path: Path, tool: str, content: str) -> None:
    root = export(tmp_path, tool, TOOLS[tool][1])
    (file,) = root.rglob("*.json")
    file.write_text(content)
    with pytest.raises(SourceError, match="no annotated frames"):
        find_pairs(root)
    with pytest.raises(SourceError, match="no annotated frames"):
        find_pairs(root, DataOptions(TOOLS[tool][0]))
