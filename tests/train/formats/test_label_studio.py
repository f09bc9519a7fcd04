"""Label Studio: regions, brush masks, and which annotation counts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cornea_stream.postprocess.mask import iou
from cornea_train.dataset import load_pair
from cornea_train.formats import (
    find_pairs,
)

from ..conftest import circle
from .annotated import HEIGHT, PLACES, TOOLS, WIDTH, disc, export, masks, reasons, write_image


def test_label_studio_without_data(tmp_path: Path) -> None:
    """JSON-MIN, and the addresses of local files."""
    points = (100 * np.array(circle(48, 40, 20)) / (WIDTH, HEIGHT)).tolist()
    region = {"points": points, "polygonlabels": ["Cornea"], "original_width": 96}
    task = {"id": 7, "annotator": 1, "image": "/data/local-files/?d=eyes/case%20a.png"}
    write_image(tmp_path / "eyes" / "case a.png")
    content = [{**task, "label": [region | {"original_height": 80}]}]
    (tmp_path / "min.json").write_text(json.dumps(content))
    ((pair,), _) = find_pairs(tmp_path)
    assert iou(load_pair(pair)[1], disc(48, 40, 20)) > 0.95


def test_which_annotation_of_label_studio_counts(tmp_path: Path) -> None:
    root = export(tmp_path, "label_studio", TOOLS["label_studio"][1])
    (file,) = root.glob("*.json")
    tasks = json.loads(file.read_text())
    first, second = (t["annotations"][0] for t in tasks[:2])
    later = {**second, "updated_at": "2026-02-01T00:00:00Z"}
    tasks[0]["annotations"] = [first, later]
    tasks[1]["annotations"] = [{**second, "was_cancelled": True}]
    file.write_text(json.dumps(tasks))
    pairs, problems = find_pairs(root)
    assert [problem.reason for problem in problems] == ["image without annotation"]
    assert iou(masks(pairs)["case_a_01"], disc(*PLACES["case_a_02"])) > 0.95
    tasks[0]["annotations"] = [{**first, "ground_truth": True}, later]
    file.write_text(json.dumps(tasks))
    pairs, _ = find_pairs(root)
    assert iou(masks(pairs)["case_a_01"], disc(*PLACES["case_a_01"])) > 0.95


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda rle: rle[:40], "ends early"),
        (lambda rle: [0, 0, 0, 1, *rle[4:]], "has 1 values"),
        (lambda _: "text", "malformed brush mask"),
        (lambda rle: [*rle[:20], 999], "malformed brush mask"),
    ],
)
def test_broken_brush_masks(tmp_path: Path, change: object, reason: str) -> None:
    root = export(tmp_path, "label_studio", TOOLS["label_studio"][1])
    (file,) = root.glob("*.json")
    tasks = json.loads(file.read_text())
    value = tasks[0]["annotations"][0]["result"][0]["value"]
    value["rle"] = change(value["rle"])  # type: ignore[operator]
    file.write_text(json.dumps(tasks))
    assert reason in next(iter(reasons(root).values()))
