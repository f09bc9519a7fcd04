"""YOLO segmentation: outlines and class names."""

from __future__ import annotations

from pathlib import Path

import pytest

from cornea_stream.errors import SourceError
from cornea_train.formats import (
    DataOptions,
    find_pairs,
)

from .annotated import reasons, yolo


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 0.5 0.5 0.2 0.2", "a box without an outline"),
        ("1 0.1 0.1 0.2 0.1 0.2", "malformed geometry"),
        ("1 0.1 0.1 0.2 x 0.2 0.2", "malformed outline"),
        ("1 0.1 0.1 9 0.1 0.2 0.2", "outside the frame"),
        ("7 0.1 0.1 0.2 0.1 0.2 0.2", "class 7 has no name"),
    ],
)
def test_broken_yolo(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in reasons(yolo(tmp_path, text))["images/x.png"]


def test_class_names_of_yolo(tmp_path: Path) -> None:
    text = "1 0.1 0.1 0.4 0.1 0.4 0.4"
    root = yolo(tmp_path, text, "names: {0: Pupil, 1: cornea}")
    assert reasons(root) == {}
    (root / "data.yaml").unlink()
    (root / "classes.txt").write_text("Pupil\nCornea\n")
    assert reasons(root) == {}
    (root / "classes.txt").unlink()
    with pytest.raises(SourceError, match=r"no class 'Cornea': .*: it has 1"):
        find_pairs(root)
    assert reasons(root, DataOptions(class_name="1")) == {}
    (root / "data.yaml").write_text("names: [")
    with pytest.raises(SourceError, match=r"class names cannot be read: data.yaml"):
        find_pairs(root)
