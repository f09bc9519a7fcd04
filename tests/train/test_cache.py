"""The cache of resized frames: complete, current, and made by one process."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from cornea_stream.errors import OutputError, SourceError
from cornea_stream.inference.segmenter import Segmenter
from cornea_train.dataset import CachedFrames, load_pair, open_cache
from cornea_train.evaluate import evaluate

from .conftest import annotation, eye, write_pair


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
