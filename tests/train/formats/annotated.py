"""Exports and hand-made files of annotated frames, which all tests of formats share."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pillow

from cornea_train.dataset import load_pair
from cornea_train.formats import (
    DEFAULTS,
    BadAnnotationError,
    DataOptions,
    Pair,
    find_pairs,
)

EXPORTS = Path(__file__).parent / "exports"
WIDTH, HEIGHT = 96, 80
PLACES = {"case_a_01": (48, 40, 20), "case_a_02": (40, 38, 16)}
EMPTY = "case_b_01"
FRAMES = (*PLACES, EMPTY)


def disc(x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return (np.hypot(columns + 0.5 - x, rows + 0.5 - y) <= radius) * np.uint8(255)


def write_image(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    assert cv2.imwrite(str(path), image)


def export(tmp_path: Path, name: str, images: str) -> Path:
    root = tmp_path / name
    shutil.copytree(EXPORTS / name, root)
    for seed, frame in enumerate(FRAMES):
        write_image(root / images.format(frame, number=seed + 1), seed)
    return root


def masks(pairs: list[Pair]) -> dict[str, np.ndarray]:
    return {pair.image.stem[-9:]: load_pair(pair)[1] for pair in pairs}


def reasons(root: Path, options: DataOptions = DEFAULTS) -> dict[str, str]:
    """Return why pairs cannot be used, by name."""
    pairs, problems = find_pairs(root, options)
    found = {problem.name: problem.reason for problem in problems}
    for pair in pairs:
        try:
            load_pair(pair)
        except BadAnnotationError as err:
            found[pair.name] = str(err)
    return found


TOOLS = {
    # Outlines from pixel centers, as supervision's, are half a pixel too small.
    "datumaro_coco": ("coco", "images/train/{0}.png", 0.98),
    "datumaro_coco_rle": ("coco", "images/train/{0}.png", 1.0),
    "datumaro_cvat": ("cvat", "images/{0}.png", 0.98),
    "supervision_coco": ("coco", "train/{0}.png", 0.9),
    "supervision_yolo": ("yolo", "train/images/{0}.png", 0.9),
    "label_studio": ("labelstudio", "images/0a1b2c{number}d-{0}.png", 0.98),
}


def coco_file(root: Path, segmentation: object) -> Path:
    write_image(root / "x.png")
    content = {
        "images": [{"id": 1, "file_name": "x.png", "width": WIDTH, "height": HEIGHT}],
        "annotations": [{"image_id": 1, "category_id": 1, "segmentation": segmentation}],
        "categories": [{"id": 1, "name": "Cornea"}],
    }
    (root / "coco.json").write_text(json.dumps(content))
    return root


def yolo(root: Path, text: str, names: str | None = "names: [Pupil, Cornea]") -> Path:
    write_image(root / "images" / "x.png")
    (root / "labels").mkdir()
    (root / "labels" / "x.txt").write_text(text)
    if names is not None:
        (root / "data.yaml").write_text(names)
    return root


def mask_folder(root: Path, masks: dict[str, np.ndarray], layout: str = "masks/{}.png") -> Path:
    for name, values in masks.items():
        image = root / ("images" if layout.startswith("masks/") else "") / f"{name}.jpg"
        write_image(image)
        target = root / layout.format(name)
        target.parent.mkdir(exist_ok=True)
        Pillow.fromarray(values).save(target)
    return root
