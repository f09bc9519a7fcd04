"""Make the exports in this folder with the libraries of the annotation tools.

    pip install datumaro supervision label-studio-converter && python make.py

They are kept without images, which the tests draw: three frames of 96x80, the last one empty.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import datumaro
import numpy as np
import supervision
from datumaro.components.annotation import (
    AnnotationType,
    LabelCategories,
    Mask,
    MaskCategories,
    Polygon,
)
from datumaro.components.media import Image
from label_studio_converter import brush

HERE = Path(__file__).parent
WIDTH, HEIGHT = 96, 80
CLASSES = ("Pupil", "Cornea")
FRAMES = {"case_a_01": (48, 40, 20), "case_a_02": (40, 38, 16), "case_b_01": None}


def ring(x: float, y: float, radius: float) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    return np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)


def disc(x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.hypot(columns + 0.5 - x, rows + 0.5 - y) <= radius


def shapes(place: tuple[int, int, int] | None, kind: str) -> list[object]:
    if place is None:
        return []
    x, y, radius = place
    found: list[object] = []
    for label, r in ((1, radius), (0, radius / 3)):
        if kind == "mask":
            found.append(Mask(disc(x, y, r).astype(np.uint8), label=label, z_order=1 - label))
        else:
            found.append(Polygon(ring(x, y, r).ravel().round(2).tolist(), label=label))
    return found


def datumaro_export(form: str, kind: str, name: str) -> None:
    items = [
        datumaro.DatasetItem(
            frame, subset="train",
            media=Image.from_numpy(np.zeros((HEIGHT, WIDTH, 3), np.uint8), ext=".png"),
            annotations=shapes(place, kind), attributes={"id": index, "frame": index},
        )
        for index, (frame, place) in enumerate(FRAMES.items(), start=1)
    ]  # fmt: skip
    colors = MaskCategories({0: (250, 50, 83), 1: (51, 221, 255)})
    names = LabelCategories.from_iterable(CLASSES)
    data = datumaro.Dataset.from_iterable(
        items, categories={AnnotationType.label: names, AnnotationType.mask: colors}
    )
    shutil.rmtree(HERE / name, ignore_errors=True)
    data.export(str(HERE / name), form, save_media=True)


def supervision_exports() -> None:
    images, annotations = {}, {}
    for frame, place in FRAMES.items():
        path = str(HERE / "images" / f"{frame}.png")
        images[path] = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        if place is None:
            annotations[path] = supervision.Detections.empty()
            continue
        x, y, radius = place
        masks = np.stack([disc(x, y, radius), disc(x, y, radius / 3)])
        annotations[path] = supervision.Detections(
            xyxy=supervision.mask_to_xyxy(masks), mask=masks, class_id=np.array([1, 0])
        )
    data = supervision.DetectionDataset(list(CLASSES), images, annotations)
    for name in ("supervision_coco", "supervision_yolo"):
        shutil.rmtree(HERE / name, ignore_errors=True)
    data.as_coco(
        images_directory_path=str(HERE / "supervision_coco" / "train"),
        annotations_path=str(HERE / "supervision_coco" / "train" / "_annotations.coco.json"),
    )
    data.as_yolo(
        images_directory_path=str(HERE / "supervision_yolo" / "train" / "images"),
        annotations_directory_path=str(HERE / "supervision_yolo" / "train" / "labels"),
        data_yaml_path=str(HERE / "supervision_yolo" / "data.yaml"),
    )


def label_studio_export() -> None:
    """Write tasks as the server's JSON export has them; brush masks by its own converter."""
    target = HERE / "label_studio"
    target.mkdir(exist_ok=True)
    tasks = []
    for number, (frame, place) in enumerate(FRAMES.items(), start=1):
        results: list[dict[str, object]] = []
        common = {
            "original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0,
            "from_name": "label", "to_name": "image", "origin": "manual",
        }  # fmt: skip
        if place is None:
            value = {"choices": ["No cornea"]}
            results.append({**common, "type": "choices", "value": value})
        elif number == 1:
            rle = brush.mask2rle((disc(*place) * 255).astype(np.uint8))
            value = {"format": "rle", "rle": rle, "brushlabels": ["Cornea"]}
            results.append({**common, "id": "a", "type": "brushlabels", "value": value})
        else:
            x, y, radius = place
            value = {
                "x": 100 * x / WIDTH, "y": 100 * y / HEIGHT, "rotation": 0,
                "radiusX": 100 * radius / WIDTH, "radiusY": 100 * radius / HEIGHT,
                "ellipselabels": ["Cornea"],
            }  # fmt: skip
            points = (100 * ring(x, y, radius / 3) / (WIDTH, HEIGHT)).tolist()
            results += [
                {**common, "id": "b", "type": "ellipselabels", "value": value},
                {**common, "id": "c", "type": "polygonlabels",
                 "value": {"points": points, "closed": True, "polygonlabels": ["Pupil"]}},
            ]  # fmt: skip
        tasks.append({
            "id": number, "inner_id": number, "project": 1, "predictions": [],
            "data": {"image": f"/data/upload/1/0a1b2c{number}d-{frame}.png"},
            "annotations": [{
                "id": number, "completed_by": 1, "was_cancelled": False, "ground_truth": False,
                "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
                "result": results,
            }],
        })  # fmt: skip
    (target / "project-1-at-2026-01-01.json").write_text(json.dumps(tasks))


def main() -> None:
    datumaro_export("coco_instances", "polygon", "datumaro_coco")
    datumaro_export("coco_instances", "mask", "datumaro_coco_rle")
    datumaro_export("cvat", "polygon", "datumaro_cvat")
    datumaro_export("voc_segmentation", "mask", "datumaro_voc")
    supervision_exports()
    label_studio_export()
    for path in HERE.rglob("*"):
        if path.suffix == ".png" and "Segmentation" not in path.parent.name:
            path.unlink()
    for folder in sorted(HERE.rglob("*"), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


if __name__ == "__main__":
    main()
