"""Loading annotated frames, and the memory-mapped cache for training."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from torch.utils.data import Dataset

from cornea_stream.errors import OutputError, SourceError
from cornea_train.augment import augment_mildly
from cornea_train.formats import (
    DEFAULTS,
    BadAnnotationError,
    DataOptions,
    Pair,
    Problem,
    find_pairs,
)
from cornea_train.formats.files import decode_image

_PART = ".part"

Image = NDArray[np.uint8]
Size = tuple[int, int]
"""Height and width."""
Stored: TypeAlias = "tuple[NDArray[np.uint8], NDArray[np.uint8], dict[int, str]]"
"""Images, masks, and the reasons for unusable pairs by position."""


def load_pair(pair: Pair) -> tuple[Image, Image]:
    """Return the (H, W, 3) uint8 RGB image and its (H, W) uint8 mask, 0 or 255.

    Raises BadAnnotationError if either cannot be used.
    """
    try:
        content = np.fromfile(pair.image, np.uint8)
    except OSError as err:
        raise BadAnnotationError(f"the image cannot be read: {err.strerror}") from err
    loaded = decode_image(content, cv2.IMREAD_COLOR_RGB)
    if loaded is None:
        raise BadAnnotationError("the image cannot be decoded")
    image = np.asarray(loaded, np.uint8)
    return image, pair.draw(image.shape[:2])


@dataclass(frozen=True, slots=True)
class Cache:
    """Decoded and resized frames on disk, memory-mapped.

    `images` is (N, H, W, 3) uint8 RGB, `masks` (N, H, W) uint8, 0 or 255, in the order of `pairs`.
    """

    images: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    pairs: list[Pair]
    problems: list[Problem]


def open_cache(
    data_dir: Path,
    folder: Path,
    size: int | Size,
    *,
    options: DataOptions = DEFAULTS,
    max_bad: int = 0,
) -> Cache:
    """Return the cache of all usable pairs below `data_dir`, created in `folder` if missing.

    `size` is (height, width) of its frames, or their side.
    Its name follows from the files' names, sizes and times, so changed data make a new one.
    Raises SourceError if more than `max_bad` pairs are unusable, with a list, none is usable or no
    mask shows the class; UsageError; and OutputError if the cache cannot be written.
    """
    size = (size, size) if isinstance(size, int) else size
    pairs, problems = find_pairs(data_dir, options)
    target = folder / _key(pairs, size, options)
    try:
        stored = _read(target)
        if stored is None:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / ".lock"):  # only one process creates it
                stored = _read(target) or _build(target, pairs, size)
    except OSError as err:
        raise OutputError(
            f"cannot write the cache: {target}: {err.strerror or err}: check free space and "
            "permissions"
        ) from err
    images, masks, bad = stored
    problems += [Problem(pairs[position].name, reason) for position, reason in bad.items()]
    if len(problems) > max_bad:
        listed = "\n".join(f"  {p.name}: {p.reason}" for p in problems[:20])
        more = f"\n  … and {len(problems) - 20} more" if len(problems) > 20 else ""
        raise SourceError(
            f"{len(problems)} unusable pairs, more than max_bad={max_bad}: {data_dir}: correct "
            f"them:\n{listed}{more}"
        )
    kept = [pair for position, pair in enumerate(pairs) if position not in bad]
    if not kept:
        raise SourceError(
            f"no usable pairs: {data_dir}: {problems[0].name}: {problems[0].reason}: correct the "
            "annotations"
        )
    if not any(mask.any() for mask in masks):
        raise SourceError(
            f"no mask shows the class {options.class_name!r}: {data_dir}: all {len(kept)} frames "
            "are empty: add annotated ones, or choose another class with class_name=NAME"
        )
    return Cache(images, masks, kept, problems)


def _key(pairs: Sequence[Pair], size: Size, options: DataOptions) -> str:
    facts: list[object] = [size, replace(options, group_by=None)]
    for pair in pairs:
        for path in (pair.image, pair.annotation):
            try:
                stat = path.stat()
            except OSError:  # a broken link: reading it reports the error
                continue
            facts.append((pair.name, path.name, stat.st_size, stat.st_mtime_ns))
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def _read(target: Path) -> Stored | None:
    """Return the contents of `target`, or None if it is missing or incomplete."""
    try:
        index = json.loads((target / "index.json").read_text())
        images = np.load(target / "images.npy", mmap_mode="r")
        masks = np.load(target / "masks.npy", mmap_mode="r")
        return images, masks, {int(position): reason for position, reason in index["bad"].items()}
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None


def _build(target: Path, pairs: Sequence[Pair], size: Size) -> Stored:
    """Create the cache while holding the lock. Raises OSError."""
    for left in target.parent.glob("*/"):  # of other data, or left by killed processes
        shutil.rmtree(left, ignore_errors=True)
    part = target.with_name(target.name + _PART)
    try:
        _fill(part, pairs, size)
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    stored = _read(target)
    assert stored is not None
    return stored


def _fill(part: Path, pairs: Sequence[Pair], size: Size) -> None:
    part.mkdir()
    load = partial(_load_resized, size=size)
    image_file, mask_file = part / "images.raw", part / "masks.raw"
    bad: dict[int, str] = {}
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        image_file.open("wb") as images,
        mask_file.open("wb") as masks,
    ):
        for position, result in enumerate(pool.map(load, pairs)):
            if isinstance(result, str):
                bad[position] = result
                continue
            images.write(result[0].tobytes())
            masks.write(result[1].tobytes())
    count = len(pairs) - len(bad)
    for raw, shape in ((image_file, (count, *size, 3)), (mask_file, (count, *size))):
        mapped = np.lib.format.open_memmap(
            raw.with_suffix(".npy"), mode="w+", dtype=np.uint8, shape=shape
        )
        if count:
            mapped[:] = np.memmap(raw, np.uint8, "r", shape=shape)
        mapped.flush()
        del mapped  # Windows cannot rename folders with open files
        raw.unlink()
    (part / "index.json").write_text(json.dumps({"bad": bad}))


def _load_resized(pair: Pair, *, size: Size) -> tuple[Image, Image] | str:
    try:
        image, mask = load_pair(pair)
    except BadAnnotationError as err:
        return str(err)
    small = cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)
    small_mask = cv2.resize(mask, size[::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(small, np.uint8), np.asarray(small_mask, np.uint8)


class CachedFrames(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Cached frames by position: (H, W, 3) uint8 RGB and (H, W) uint8, 0 or 255.

    With `augment`, they are augmented; the result depends only on seed, epoch and index. Positions
    may stand there several times.
    """

    def __init__(self, cache: Cache, positions: Sequence[int], *, augment: bool, seed: int) -> None:
        self.cache, self.positions = cache, list(positions)
        self.augment, self.seed, self.epoch = augment, seed, 0

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        position = self.positions[index]
        image, mask = np.array(self.cache.images[position]), np.array(self.cache.masks[position])
        if self.augment:
            rng = np.random.default_rng((self.seed, self.epoch, index))
            image, mask = augment_mildly(rng, image, mask)
        return torch.from_numpy(image), torch.from_numpy(mask)
