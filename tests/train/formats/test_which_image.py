"""Which image an annotation means: never one elsewhere, never two."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from cornea_train.formats import (
    DataOptions,
    find_pairs,
)

from .annotated import (
    EXPORTS,
    FRAMES,
    coco_file,
    disc,
    export,
    mask_folder,
    reasons,
    write_image,
    yolo,
)


def test_a_file_cannot_name_images_elsewhere(tmp_path: Path) -> None:
    root = export(tmp_path, "datumaro_coco", "images/train/{0}.png")
    file = root / "annotations" / "instances_train.json"
    write_image(tmp_path / "outside.png")
    content = json.loads(file.read_text())
    for image, name in zip(
        content["images"],
        ("../../outside.png", str(tmp_path / "outside.png"), "other/case_a_02.png"),
        strict=True,
    ):
        image["file_name"] = name
    file.write_text(json.dumps(content))
    found = reasons(root)
    # The folder named "other" is not there, and images/train may be its place by now.
    assert [reason for name, reason in found.items() if "outside" in name] == [
        "annotation without image"
    ] * 2


def test_images_of_the_same_name_in_two_subsets(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for subset in ("train", "val"):
        shutil.copytree(EXPORTS / "datumaro_coco", root, dirs_exist_ok=True)
        for seed, frame in enumerate(FRAMES):
            write_image(root / "images" / subset / f"{frame}.png", seed)
    (root / "annotations" / "instances_val.json").write_bytes(
        (root / "annotations" / "instances_train.json").read_bytes()
    )
    pairs, problems = find_pairs(root, DataOptions(empty_is_background=True))
    assert problems == []
    assert [p.name for p in pairs if p.annotation.name == "instances_val.json"] == [
        f"images/val/{frame}.png" for frame in FRAMES
    ]
    (root / "annotations" / "instances_val.json").rename(root / "annotations" / "again.json")
    twice = reasons(root, DataOptions(empty_is_background=True))
    assert "several images have this name" in "".join(twice.values())


def test_an_image_of_another_folder_is_not_taken(tmp_path: Path) -> None:
    root = coco_file(tmp_path, [[1, 1, 9, 1, 9, 9]])
    content = (root / "coco.json").read_text()
    (root / "coco.json").write_text(content.replace("x.png", "case_1/x.png"))
    assert reasons(root) == {}  # no folder at all
    (root / "case_2").mkdir()
    (root / "x.png").rename(root / "case_2" / "x.png")
    assert reasons(root) == {"coco.json: case_1/x.png": "annotation without image"}


def test_an_image_that_two_files_annotate(tmp_path: Path) -> None:
    root = coco_file(tmp_path, [[1, 1, 9, 1, 9, 9]])
    (root / "other.json").write_bytes((root / "coco.json").read_bytes())
    assert reasons(root) == {"x.png": "annotated twice, in coco.json and in other.json"}


def test_two_images_for_one_annotation(tmp_path: Path) -> None:
    root = yolo(tmp_path, "1 0.1 0.1 0.4 0.1 0.4 0.4")
    write_image(root / "images" / "x.jpg")
    assert reasons(root) == {"images/x.png": "has the name of images/x.jpg"}
    other = mask_folder(tmp_path / "masks", {"a": disc(48, 40, 20)})
    write_image(other / "images" / "a.bmp")
    assert reasons(other) == {"images/a.jpg": "has the name of images/a.bmp"}
