"""Masks out to an annotator and back into training: to the pixel, and frames without cornea too."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import disc, read_video, write_video

from cornea_stream.errors import OutputError, SourceError, UsageError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.postprocess.mask import iou
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_train.annotate import annotate
from cornea_train.coco import CocoFile
from cornea_train.config import TrainConfig
from cornea_train.dataset import load_pair
from cornea_train.formats import BadAnnotationError, find_pairs
from cornea_train.supervisely import annotation
from cornea_train.trainer import train

from .conftest import mask_in

COUNT, DARK = 30, range(12, 16)
TABLES = RunOptions(overlay=False, mask=True, metrics=True)


def picture(index: int) -> np.ndarray:
    """A disc that walks; nothing in the frames of DARK."""
    if index in DARK:
        return np.full((120, 160, 3), 30, np.uint8)
    return disc(160, 120, 50 + 2 * index, 60, 28)[0]


@pytest.fixture
def run_dir(tmp_path: Path, segmenter: Segmenter) -> Path:
    path = write_video(tmp_path / "eye.mp4", [picture(index) for index in range(COUNT)])
    return Path(run_source(path, tmp_path / "out", segmenter, TABLES).folder)


def masks_of(run_dir: Path) -> list[np.ndarray]:
    return [np.asarray(f.to_ndarray(format="gray")) for _, f in read_video(run_dir / "mask.mkv")]


def test_a_run_without_cornea_has_no_uncertain_frames(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "dark.mp4", [picture(DARK[0])] * 4)
    run_dir = run_source(path, tmp_path / "out", segmenter, TABLES).folder
    with pytest.raises(SourceError, match=r"no uncertain frames in this run: .*dark"):
        annotate([run_dir], tmp_path / "a", spread=0)
    assert not (tmp_path / "a").exists()
    assert annotate([run_dir], tmp_path / "a", spread=3)[0].images == 3


@pytest.mark.parametrize("polygons", [False, True])
def test_the_train_loader_gives_the_masks_back(
    run_dir: Path, tmp_path: Path, polygons: bool
) -> None:
    (done,) = annotate([run_dir], tmp_path / "a", spread=COUNT, uncertain=0, polygons=polygons)
    assert (done.images, done.without_cornea) == (COUNT, len(DARK))
    pairs, problems = find_pairs(tmp_path / "a")
    assert problems == []
    assert [pair.image.name for pair in pairs] == [f"eye_{i:06d}.png" for i in range(COUNT)]
    assert {pair.case for pair in pairs} == {"case_eye"}
    decoded = read_video(tmp_path / "eye.mp4")
    for pair, mask, (_, frame) in zip(pairs, masks_of(run_dir), decoded, strict=True):
        image, found = load_pair(pair)
        assert np.array_equal(image, frame.to_ndarray(format="rgb24"))
        if polygons:
            assert iou(found, mask) >= 0.99
        else:
            assert np.array_equal(found, mask)
    kinds = {
        item["geometryType"]
        for pair in pairs
        for item in json.loads(pair.annotation.read_text())["objects"]
    }
    assert kinds == {"polygon" if polygons else "bitmap"}


@pytest.mark.parametrize("polygons", [False, True])
def test_coco_holds_the_same_masks(run_dir: Path, tmp_path: Path, polygons: bool) -> None:
    coco_module = pytest.importorskip("pycocotools.coco")
    annotate([run_dir], tmp_path / "a", spread=COUNT, uncertain=0, polygons=polygons)
    coco = coco_module.COCO(str(tmp_path / "a" / "coco.json"))
    assert [c["name"] for c in coco.loadCats(coco.getCatIds())] == ["Cornea"]
    images = coco.loadImgs(coco.getImgIds())
    assert len(images) == COUNT
    for index, (image, mask) in enumerate(zip(images, masks_of(run_dir), strict=True)):
        assert cv2.imread(str(tmp_path / "a" / image["file_name"])).shape == (120, 160, 3)
        assert (image["height"], image["width"]) == mask.shape
        found = coco.loadAnns(coco.getAnnIds(image["id"]))
        if index in DARK:
            assert found == []
            continue
        (item,) = found
        assert item["area"] == np.count_nonzero(mask)
        assert tuple(item["bbox"]) == cv2.boundingRect(mask)
        drawn = coco.annToMask(item) * np.uint8(255)
        if polygons:
            assert iou(drawn, mask) >= 0.99
        else:
            assert np.array_equal(drawn, mask)


def test_spread_and_uncertain_frames(run_dir: Path, tmp_path: Path) -> None:
    annotate([run_dir], tmp_path / "a", spread=4, uncertain=0)
    names = sorted(p.name for p in (tmp_path / "a" / "case_eye" / "img").iterdir())
    assert names == [f"eye_{index:06d}.png" for index in (0, 10, 19, 29)]
    annotate([run_dir], tmp_path / "b", spread=0, uncertain=1)
    (least,) = (tmp_path / "b" / "case_eye" / "img").iterdir()
    # The cornea vanishes and comes back: agreement 0 there.
    assert least.name in {f"eye_{DARK.start:06d}.png", f"eye_{DARK.stop:06d}.png"}


def test_the_frames_of_a_cut_out_run(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "eye.mp4", [picture(index) for index in range(COUNT)])
    options = replace(TABLES, start_s=0.2, end_s=1.0, every=3)
    run_dir = Path(run_source(path, tmp_path / "out", segmenter, options).folder)
    annotate([run_dir], tmp_path / "a", spread=99, uncertain=0)
    pairs, _ = find_pairs(tmp_path / "a")
    # Numbered as in the table: from where reading began.
    assert [pair.image.name for pair in pairs] == [f"eye_{i:06d}.png" for i in range(0, 20, 3)]
    for pair, mask, source in zip(pairs, masks_of(run_dir), range(5, 25, 3), strict=True):
        image, found = load_pair(pair)
        assert np.array_equal(found, mask)
        assert np.abs(image.astype(int) - picture(source)).mean() < 4


def test_frames_that_a_live_run_dropped_are_passed_over(run_dir: Path, tmp_path: Path) -> None:
    """A run that kept every second frame only: its table and masks have gaps, its times do not."""
    kept = range(0, COUNT, 2)
    lines = (run_dir / "metrics.csv").read_text().splitlines()
    (run_dir / "metrics.csv").write_text(
        "\n".join([lines[0], *(lines[1 + i] for i in kept)]) + "\n"
    )
    masks = masks_of(run_dir)
    write_video(
        run_dir / "mask.mkv", [np.dstack([masks[i]] * 3) for i in kept], codec="ffv1",
        pix_fmt="gray", pts=[40 * i for i in kept],
    )  # fmt: skip
    annotate([run_dir], tmp_path / "a", spread=COUNT, uncertain=0)
    pairs, _ = find_pairs(tmp_path / "a")
    assert [pair.image.name for pair in pairs] == [f"eye_{i:06d}.png" for i in kept]
    for pair, index in zip(pairs, kept, strict=True):
        image, mask = load_pair(pair)
        assert iou(mask, masks[index]) > 0.99
        assert np.abs(image.astype(int) - picture(index)).mean() < 4


def test_turned_videos_and_folders_of_images(tmp_path: Path, segmenter: Segmenter) -> None:
    image, mask = disc(160, 120, 50, 40, 25)
    turned = write_video(
        tmp_path / "turned.mp4", [image] * 3, prepare=lambda s: s.set_display_rotation(90)
    )
    stills = tmp_path / "stills"
    stills.mkdir()
    for index in range(3):
        cv2.imwrite(str(stills / f"{index}.png"), image[..., ::-1])
    runs = [run_source(p, tmp_path / "out", segmenter, TABLES).folder for p in (turned, stills)]
    annotate(runs, tmp_path / "a")
    pairs, problems = find_pairs(tmp_path / "a")
    assert ([pair.case for pair in pairs], problems) == (
        ["case_stills"] * 3 + ["case_turned"] * 3,
        [],
    )
    for pair in pairs:
        wanted = np.rot90(mask) if pair.case == "case_turned" else mask
        found_image, found = load_pair(pair)
        assert found_image.shape[:2] == wanted.shape
        assert iou(found, np.ascontiguousarray(wanted)) > 0.93
    assert len(json.loads((tmp_path / "a" / "coco.json").read_text())["images"]) == 6


def test_training_takes_the_folder(run_dir: Path, tmp_path: Path) -> None:
    annotate([run_dir], tmp_path / "a", spread=12, uncertain=4)
    config = TrainConfig(
        tmp_path / "a", tmp_path / "run", epochs=1, batch_size=4, encoder_name="resnet18",
        encoder_weights="none", image_size=64, device="cpu", precision="fp32", split="frame",
    )  # fmt: skip
    history = train(config)
    assert np.isfinite(history[0]["train_loss"])
    assert (tmp_path / "run" / "best_model.pth").exists()


def test_supervisely_can_read_the_project(run_dir: Path, tmp_path: Path) -> None:
    annotate([run_dir], tmp_path / "a", spread=COUNT, uncertain=0)
    meta = json.loads((tmp_path / "a" / "meta.json").read_text())
    assert [(c["title"], c["shape"]) for c in meta["classes"]] == [("Cornea", "any")]
    assert [(t["name"], t["value_type"]) for t in meta["tags"]] == [("no cornea", "none")]
    files = sorted((tmp_path / "a" / "case_eye" / "ann").iterdir())
    tagged = [json.loads(file.read_text())["tags"] for file in files]
    assert [index for index, tags in enumerate(tagged) if tags] == list(DARK)


def test_an_empty_annotation_needs_its_tag(tmp_path: Path) -> None:
    empty = np.zeros((80, 96), np.uint8)
    content = annotation(empty)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    assert not mask_in(path, (80, 96)).any()
    for tags in ([], [{"name": "blurred"}], ["no cornea"], 5, None):
        path.write_text(json.dumps({**content, "tags": tags}))
        with pytest.raises(BadAnnotationError, match="no cornea is annotated"):
            mask_in(path, (80, 96))
    # Whoever draws a cornea need not take the tag away.
    drawn = annotation(disc(96, 80, 40, 40, 20)[1])["objects"]
    path.write_text(json.dumps({**content, "objects": drawn}))
    assert mask_in(path, (80, 96)).any()


def test_run_lengths_of_borders_and_of_everything() -> None:
    for mask in (np.full((3, 4), 255, np.uint8), np.eye(4, dtype=np.uint8)):
        coco = CocoFile()
        coco.add("a.png", mask)
        (item,) = coco.content()["annotations"]
        counts = item["segmentation"]["counts"]
        values = np.repeat(np.arange(len(counts)) % 2, counts)
        assert np.array_equal(values.reshape(mask.shape[::-1]).T, mask > 0)


def test_nothing_is_replaced_and_mistakes_are_told(
    run_dir: Path, tmp_path: Path, segmenter: Segmenter
) -> None:
    annotate([run_dir], tmp_path / "a", spread=2)
    corrected = tmp_path / "a" / "case_eye" / "ann" / "eye_000000.png.json"
    corrected.write_text("corrected")
    with pytest.raises(OutputError, match="output exists"):
        annotate([run_dir], tmp_path / "a")
    assert corrected.read_text() == "corrected"
    with pytest.raises(UsageError, match="spread or uncertain"):
        annotate([run_dir], tmp_path / "b", spread=0, uncertain=0)
    with pytest.raises(UsageError, match="same name"):
        annotate([run_dir, run_dir], tmp_path / "b")
    with pytest.raises(SourceError, match="no run in this folder"):
        annotate([tmp_path / "a"], tmp_path / "b")
    masks = (run_dir / "mask.mkv").read_bytes()
    for others in ([40 * i for i in range(20)], [20 * i for i in range(COUNT)]):
        write_video(
            run_dir / "mask.mkv", [picture(0)] * len(others), pts=others, codec="ffv1",
            pix_fmt="gray",
        )  # fmt: skip
        with pytest.raises(SourceError, match="table and masks are from different runs"):
            annotate([run_dir], tmp_path / "b")
        assert not list((tmp_path / "b").iterdir())
        (tmp_path / "b").rmdir()
    (run_dir / "mask.mkv").write_bytes(masks)
    told = (run_dir / "run.json").read_text()
    (run_dir / "run.json").write_text(json.dumps({**json.loads(told), "source": {"path": None}}))
    with pytest.raises(SourceError, match="live source"):
        annotate([run_dir], tmp_path / "b")
    (run_dir / "run.json").write_text(told)
    (run_dir / "mask.mkv").rename(tmp_path / "away.mkv")
    with pytest.raises(SourceError, match="mask=True"):
        annotate([run_dir], tmp_path / "b")
    (tmp_path / "away.mkv").rename(run_dir / "mask.mkv")
    video = tmp_path / "eye.mp4"
    write_video(video, [picture(0)] * 3)
    with pytest.raises(SourceError, match="has changed since the run"):
        annotate([run_dir], tmp_path / "b")
    video.unlink()
    with pytest.raises(SourceError, match="source of the run is missing"):
        annotate([run_dir], tmp_path / "b")
    assert not (tmp_path / "b").exists()
