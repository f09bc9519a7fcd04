"""Annotations, pairs, cache and split: nothing is dropped in silence, no path is followed."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import SHARED

from cornea_stream.errors import OutputError, SourceError, UsageError
from cornea_stream.inference.segmenter import Segmenter
from cornea_train.config import TrainConfig
from cornea_train.dataset import CachedFrames, load_pair, open_cache
from cornea_train.evaluate import evaluate
from cornea_train.formats import find_pairs
from cornea_train.formats.shapes import crosses_itself
from cornea_train.formats.supervisely import BadAnnotationError, read_mask
from cornea_train.split import make_split, read_split, write_split

from .conftest import annotation, circle, eye, polygon, write_pair

SIZE = (80, 96)


def mask_of(tmp_path: Path, objects: list[dict[str, object]], **options: bool) -> np.ndarray:
    path = tmp_path / "a.json"
    path.write_text(annotation(objects))
    return read_mask(path, SIZE, **options)


@pytest.mark.parametrize("title", ["Cornea", "cornea", "CORNEA"])
def test_polygons_of_the_class_in_any_letter_case(tmp_path: Path, title: str) -> None:
    others = [polygon(circle(80, 10, 8), "Pupil"), polygon(circle(80, 60, 8), "Corneal scar")]
    mask = mask_of(tmp_path, [polygon(circle(40, 40, 20), title), *others])
    rows, columns = np.mgrid[:80, :96]
    true = (columns - 40) ** 2 + (rows - 40) ** 2 <= 20**2
    assert np.count_nonzero((mask > 0) != true) < 0.1 * true.sum()
    assert mask[10, 80] == mask[60, 80] == 0
    assert set(np.unique(mask)) == {0, 255}


def test_holes_stay_filled_unless_respected(tmp_path: Path) -> None:
    item = polygon(circle(40, 40, 20), holes=[circle(40, 40, 8)])
    assert mask_of(tmp_path, [item])[40, 40] == 255
    assert mask_of(tmp_path, [item], respect_holes=True)[40, 40] == 0
    assert mask_of(tmp_path, [item], respect_holes=True)[40, 25] == 255


def bitmap(origin: list[int], patch: np.ndarray) -> dict[str, object]:
    png = cv2.imencode(".png", patch)[1].tobytes()
    data = base64.b64encode(zlib.compress(png)).decode()
    return {
        "classTitle": "Cornea",
        "geometryType": "bitmap",
        "bitmap": {"data": data, "origin": origin},
    }


def torn_bitmap() -> dict[str, object]:
    return bitmap([0, 0], np.zeros((4, 4), np.uint8)) | {"bitmap": {"data": "?", "origin": [0, 0]}}


@pytest.mark.parametrize("channels", [1, 4])
def test_bitmaps(tmp_path: Path, channels: int) -> None:
    patch = np.zeros((12, 10, channels) if channels > 1 else (12, 10), np.uint8)
    patch[2:8, 3:9] = 255
    mask = mask_of(tmp_path, [bitmap([30, 20], patch)])
    expected = np.zeros(SIZE, np.uint8)
    expected[22:28, 33:39] = 255
    assert np.array_equal(mask, expected)


BOW_TIE = [[10, 10], [50, 50], [50, 10], [10, 50]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "malformed JSON"),
        ("[" * 100000, "malformed JSON"),
        ("[]", "not a Supervisely annotation"),
        (json.dumps({"size": {"height": 80, "width": 96}}), "not a Supervisely annotation"),
        (annotation([polygon(circle(40, 40, 20))], width=97), "image 96x80, annotation 97x80"),
        (annotation([]), "no cornea is annotated"),
        (annotation([polygon(circle(40, 40, 20), "Pupil")]), "no cornea is annotated"),
        (annotation([polygon(BOW_TIE)]), "crosses itself"),
        (annotation([polygon([[1, 1], [5, 5]])]), "at least 3 points"),
        (annotation([polygon(circle(500, 40, 20))]), "outside the frame"),
        (annotation([polygon([[1, 1], [9, float("nan")], [9, 9]])]), "outside the frame"),
        (annotation([polygon([[1, "x"], [9, 2], [9, 9]])]), "malformed geometry"),  # type: ignore[list-item]
        (annotation([{"classTitle": "Cornea", "geometryType": "cuboid"}]), "neither polygon nor"),
        (annotation([torn_bitmap()]), "cannot be decompressed"),
        (annotation([bitmap([90, 70], np.full((20, 20), 255, np.uint8))]), "outside the frame"),
    ],
)  # fmt: skip
def test_broken_annotations_say_why(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(BadAnnotationError, match=reason):
        read_mask(path, SIZE)


def test_a_zlib_bomb_is_not_unpacked(tmp_path: Path) -> None:
    item = bitmap([0, 0], np.full((4, 4), 255, np.uint8))
    bomb = base64.b64encode(zlib.compress(bytes(200 * 2**20), 9)).decode()
    item["bitmap"] = {"data": bomb, "origin": [0, 0]}
    with pytest.raises(BadAnnotationError, match="not a PNG"):
        mask_of(tmp_path, [item])


def test_paths_in_annotations_are_not_followed(tmp_path: Path) -> None:
    item = polygon(circle(40, 40, 20))
    content = json.loads(annotation([item]))
    content["imagePath"] = content["objects"][0]["bitmapPath"] = "/etc/passwd"
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert read_mask(tmp_path / "a.json", SIZE).any()


def test_crossing() -> None:
    assert crosses_itself(np.array(BOW_TIE))
    assert not crosses_itself(np.round(circle(40, 40, 20)).astype(np.int32))
    assert not crosses_itself(np.array([[0, 0], [9, 0], [9, 9], [9, 9], [0, 9]]))


def test_every_pair_is_found_and_read(data_dir: Path) -> None:
    pairs, problems = find_pairs(data_dir)
    assert len(pairs) == 20
    assert problems == []
    assert sorted({p.case for p in pairs}) == [f"case_{i:02d}" for i in range(5)]
    image, mask = load_pair(pairs[0])
    assert image.shape == (80, 96, 3)
    assert image[mask > 0].mean() > 150 > image[mask == 0].mean()


@pytest.mark.parametrize("middle", ["", "Images_and_Supervisely_Annotations", "a/b/c"])
def test_layouts(tmp_path: Path, middle: str) -> None:
    write_pair(tmp_path / middle / "case7", "x.png", *eye(1))
    write_pair(tmp_path / middle / "notes", "x.png", *eye(1))
    assert [p.case for p in find_pairs(tmp_path)[0]] == ["case7"]


def test_hidden_files_are_no_frames_and_links_are_followed(tmp_path: Path) -> None:
    write_pair(tmp_path / "store" / "case7", "x.png", *eye(1))
    (tmp_path / "store" / "case7" / "img" / "._x.png").write_bytes(b"\0\5\26\7")
    (tmp_path / "store" / "case7" / "ann" / "._x.png.json").write_bytes(b"\0\5\26\7")
    data = tmp_path / "data"
    data.mkdir()
    (data / "linked").symlink_to(tmp_path / "store")
    (tmp_path / "store" / "back").symlink_to(data)
    pairs, problems = find_pairs(data)
    assert ([pair.name for pair in pairs], problems) == (["linked/case7/img/x.png"], [])


@pytest.mark.skipif(not (SHARED / "data").exists(), reason="the real frames are not here")
def test_real_frames(tmp_path: Path) -> None:
    cache = open_cache(SHARED / "data" / "cataract1k_mini", tmp_path, 128)
    assert len(cache.pairs) == 8
    assert len({p.case for p in cache.pairs}) == 2
    assert cache.problems == []
    shares = (cache.masks > 0).mean(axis=(1, 2))
    assert ((shares > 0.05) & (shares < 0.4)).all()
    assert len(open_cache(SHARED / "data" / "cataract1k_figure", tmp_path, 64).pairs) == 11


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    for name in ("good1.png", "good2.png"):
        write_pair(root / "case1", name, *eye(3))
    write_pair(root / "case1", "empty.png", eye(3)[0], annotation([]))
    write_pair(root / "case1", "torn.png", *eye(3))
    (root / "case1" / "img" / "torn.png").write_bytes(b"no image")
    write_pair(root / "case1", "lonely.png", *eye(3))
    (root / "case1" / "ann" / "lonely.png.json").unlink()
    (root / "case1" / "ann" / "widow.png.json").write_text(annotation([]))
    return root


def test_unusable_pairs_are_listed_once_and_stop_the_run(broken: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as told:
        open_cache(broken, tmp_path / "cache", 64)
    message = str(told.value)
    assert message.startswith("4 unusable pairs")
    for name, reason in (
        ("empty.png", "no cornea is annotated"),
        ("torn.png", "cannot be decoded"),
        ("lonely.png", "image without annotation"),
        ("widow.png.json", "annotation without image"),
    ):
        assert message.count(name) == 1
        assert reason in message
    with pytest.raises(SourceError):
        open_cache(broken, tmp_path / "cache", 64, max_bad=3)
    for _ in range(2):  # made, then read
        cache = open_cache(broken, tmp_path / "cache", 64, max_bad=4)
        assert [p.image.name for p in cache.pairs] == ["good1.png", "good2.png"]
        assert len(cache.problems) == 4
        assert cache.images.shape == (2, 64, 64, 3)


def test_the_cache_holds_resized_frames_and_follows_changes(tmp_path: Path) -> None:
    root = tmp_path / "data"
    write_pair(root / "case1", "a.png", *eye(3))
    first = open_cache(root, tmp_path / "cache", 64)
    image, mask = load_pair(first.pairs[0])
    assert np.array_equal(first.images[0], cv2.resize(image, (64, 64)))
    expected = cv2.resize(mask, (64, 64), interpolation=cv2.INTER_NEAREST)
    assert np.array_equal(first.masks[0], expected)
    before = sorted(p.name for p in (tmp_path / "cache").iterdir())
    open_cache(root, tmp_path / "cache", 64)
    assert sorted(p.name for p in (tmp_path / "cache").iterdir()) == before
    write_pair(root / "case1", "a.png", *eye(8))
    assert not np.array_equal(open_cache(root, tmp_path / "cache", 64).images[0], first.images[0])


@pytest.mark.parametrize("kind", ["folder", "link to nothing", "empty"])
def test_images_that_cannot_be_read_are_listed(
    tmp_path: Path, kind: str, segmenter: Segmenter
) -> None:
    root = tmp_path / "data"
    write_pair(root / "case1", "good.png", *eye(3))
    write_pair(root / "case1", "odd.png", *eye(3))
    image = root / "case1" / "img" / "odd.png"
    image.unlink()
    if kind == "folder":
        image.mkdir()
    elif kind == "empty":
        image.touch()
    else:
        image.symlink_to(tmp_path / "gone.png")
    for read in (lambda: open_cache(root, tmp_path / "c", 64), lambda: evaluate(root, segmenter)):
        with pytest.raises(SourceError, match=r"(?s)1 unusable pairs.*odd\.png: the image"):
            read()
    assert len(open_cache(root, tmp_path / "c", 64, max_bad=1).pairs) == 1
    assert len(evaluate(root, segmenter, max_bad=1).scores) == 1


def in_cache(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name != ".lock"]


def test_a_killed_builder_leaves_no_copy_for_good(data_dir: Path, tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from cornea_train import dataset\n"
        "dataset.json.dumps = lambda _: os._exit(9)\n"  # on the last file
        "dataset.open_cache(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))"
    )
    cache = tmp_path / "cache"
    for size in (32, 64):
        done = subprocess.run([sys.executable, "-c", code, data_dir, cache, str(size)], check=False)
        assert done.returncode == 9
    assert len(in_cache(cache)) == 1
    assert len(open_cache(data_dir, cache, 64).pairs) == 20
    (made,) = in_cache(cache)
    assert not made.endswith(".part")


def test_a_builder_that_fails_leaves_nothing(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "open_memmap", full)
    with pytest.raises(OutputError, match=r"cannot write the cache: .*No space left"):
        open_cache(data_dir, tmp_path / "cache", 64)
    assert in_cache(tmp_path / "cache") == []


def test_of_several_builders_one_builds(data_dir: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: open_cache(data_dir, tmp_path / "c", 64), range(4)))
    assert all(np.array_equal(cache.images, made[0].images) for cache in made)
    assert len(in_cache(tmp_path / "c")) == 1


@pytest.mark.parametrize("name", ["index.json", "images.npy", "masks.npy"])
@pytest.mark.parametrize("share", [0, 0.5, None])
def test_a_torn_cache_is_made_again(
    data_dir: Path, tmp_path: Path, name: str, share: float | None
) -> None:
    whole = np.array(open_cache(data_dir, tmp_path, 64).images)
    (file,) = tmp_path.glob(f"*/{name}")
    content = file.read_bytes()
    file.unlink()
    if share is not None:
        file.write_bytes(content[: int(share * len(content))])
    assert np.array_equal(open_cache(data_dir, tmp_path, 64).images, whole)


def test_no_data(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="data folder not found"):
        find_pairs(tmp_path / "none")
    with pytest.raises(SourceError, match="no annotated frames"):
        find_pairs(tmp_path)


def test_split_by_case_keeps_surgeries_apart(data_dir: Path, config: TrainConfig) -> None:
    pairs, _ = find_pairs(data_dir)
    for seed in range(6):
        split = make_split(pairs, replace(config, seed=seed))
        sides = [{pairs[i].case for i in side} for side in (split.train, split.validation)]
        assert not sides[0] & sides[1]
        assert (len(split.train), len(split.validation)) == (16, 4)
        assert make_split(pairs, replace(config, seed=seed)) == split
    assert (
        len({tuple(make_split(pairs, replace(config, seed=s)).validation) for s in range(20)}) > 2
    )


def test_split_by_frame_and_folds(data_dir: Path, config: TrainConfig) -> None:
    pairs, _ = find_pairs(data_dir)
    split = make_split(pairs, replace(config, split="frame"))
    assert sorted(split.train + split.validation) == list(range(20))
    assert len(split.validation) == 4
    seen: list[int] = []
    for fold in range(3):
        seen += make_split(pairs, replace(config, folds=3, fold=fold)).validation
    assert sorted(seen) == list(range(20))


def test_a_split_file_gives_the_same_split(
    data_dir: Path, config: TrainConfig, tmp_path: Path
) -> None:
    pairs, _ = find_pairs(data_dir)
    split = make_split(pairs, config)
    path = tmp_path / "split.json"
    write_split(path, split, pairs)
    assert make_split(pairs, replace(config, split_file=path, seed=99)) == split
    with pytest.raises(UsageError, match="names 4 frames"):
        read_split(path, [p for i, p in enumerate(pairs) if i in split.train])
    path.write_text(json.dumps({"train": [pairs[0].name], "validation": [pairs[0].name]}))
    with pytest.raises(UsageError, match="1 frames on both sides"):
        read_split(path, pairs)
    path.write_text("{}")
    with pytest.raises(UsageError, match="not a split file"):
        read_split(path, pairs)


def test_one_surgery_cannot_be_split_by_case(config: TrainConfig, tmp_path: Path) -> None:
    write_pair(tmp_path / "case1", "a.png", *eye(3))
    pairs, _ = find_pairs(tmp_path)
    with pytest.raises(UsageError, match="1 surgeries cannot be split"):
        make_split(pairs, config)


def test_augmentation_follows_from_seed_and_epoch(data_dir: Path, tmp_path: Path) -> None:
    cache = open_cache(data_dir, tmp_path, 64)
    frames = CachedFrames(cache, range(20), augment=True, seed=1)
    again = CachedFrames(cache, range(20), augment=True, seed=1)
    plain = CachedFrames(cache, range(20), augment=False, seed=1)
    image, mask = frames[3]
    assert image.equal(again[3][0])
    assert mask.equal(again[3][1])
    assert not image.equal(plain[3][0])
    assert image[mask > 0].float().mean() > 120  # picture and mask moved together
    assert image[mask == 0].float().mean() < 90
    frames.epoch = 2
    assert not image.equal(frames[3][0])
