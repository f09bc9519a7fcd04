"""COCO: polygons and run lengths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cornea_train.dataset import load_pair
from cornea_train.formats import (
    find_pairs,
)

from .annotated import HEIGHT, WIDTH, coco_file, reasons


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        ([], "a box without an outline"),
        ([[1, 2, 3, 4]], "at least 3 points"),
        ([[1, 2, 3, 4, 5]], "malformed geometry"),
        ([[1, 2, 3, 4, 5, "x"]], "malformed geometry"),
        ([[0, 0, 50, 50, 50, 0, 0, 50]], "crosses itself"),
        ([[0, 0, 1e9, 0, 50, 50]], "outside the frame"),
        ({"size": [HEIGHT, WIDTH], "counts": [5, 5]}, "cover 10 pixels instead of 7680"),
        ({"size": [HEIGHT, WIDTH], "counts": [-5, 7685]}, "are not lengths"),
        ({"size": [HEIGHT, WIDTH], "counts": ""}, "are not lengths"),
        ({"size": [HEIGHT, WIDTH], "counts": "0"}, "cover 0 pixels"),
        ({"size": [HEIGHT, WIDTH], "counts": "0o"}, "damaged"),
        ({"size": [HEIGHT, WIDTH], "counts": "\x7f~"}, "damaged"),
        ({"size": [2 * HEIGHT, WIDTH], "counts": [2 * HEIGHT * WIDTH]}, "outside the frame"),
        ({"size": 5, "counts": [5]}, "malformed run lengths"),
        ({"size": [HEIGHT, WIDTH], "counts": [HEIGHT * WIDTH]}, "covers no pixels"),
    ],
)
def test_broken_coco_shapes(tmp_path: Path, segmentation: object, reason: str) -> None:
    assert reason in reasons(coco_file(tmp_path, segmentation))["x.png"]


def test_compressed_run_lengths_are_those_of_pycocotools(tmp_path: Path) -> None:
    coco_mask = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    for share in (0.02, 0.5, 1.0):
        mask = np.asfortranarray((rng.random((HEIGHT, WIDTH)) < share).astype(np.uint8))
        runs = coco_mask.encode(mask)
        root = coco_file(tmp_path, {"size": runs["size"], "counts": runs["counts"].decode()})
        ((pair,), _) = find_pairs(root)
        assert np.array_equal(load_pair(pair)[1], mask * 255)


def test_a_category_can_be_the_tag(tmp_path: Path) -> None:
    root = coco_file(tmp_path, [[1, 1, 2, 1, 2, 2]])
    content = (root / "coco.json").read_text()
    (root / "coco.json").write_text(content.replace('"Cornea"', '"No cornea"'))
    assert reasons(root) == {}
