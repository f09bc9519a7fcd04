"""The files of a data folder: found once, looked up by name, never outside of it."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cornea_stream.errors import SourceError

IMAGE_SUFFIXES = frozenset({
    ".avif", ".bmp", ".dib", ".gif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png",
    ".pnm", ".ppm", ".ras", ".sr", ".tif", ".tiff", ".webp",
})  # fmt: skip
"""Suffixes, in any letter case, of the images that OpenCV reads."""
CONTAINERS = frozenset({"data", "image", "images", "img", "imgs", "jpegimages"})
"""Names of folders, in lower case, that say nothing but that there are images."""


class BadAnnotationError(Exception):
    """An annotation that cannot be used; the message says why."""


class DataFolder:
    """The visible files below a folder, through symbolic links, each folder once.

    `images` and `files` (all others) are paths by their POSIX path within the folder, sorted;
    `images_in` are the names of images by the folder that they are in.
    Raises SourceError if the folder does not exist or cannot be read.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise SourceError(f"data folder not found: {root}: check data_dir")
        self.root = root
        self.images: dict[str, Path] = {}
        self.files: dict[str, Path] = {}
        for name, path in sorted(_walk(root)):
            is_image = path.suffix.lower() in IMAGE_SUFFIXES
            (self.images if is_image else self.files)[name] = path
        self.images_in: dict[PurePosixPath, list[str]] = defaultdict(list)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for name in self.images:
            within = PurePosixPath(name)
            self.images_in[within.parent].append(name)
            self._by_stem[within.stem.casefold()].append(name)
        self._parsed: dict[Path, Any] = {}

    def with_suffix(self, *suffixes: str) -> dict[str, Path]:
        """Return the files with one of the suffixes, in any letter case."""
        return {n: p for n, p in self.files.items() if p.suffix.lower() in suffixes}

    def json(self, path: Path) -> Any:
        """Return the content of a JSON file, parsed once. Raises BadAnnotationError."""
        if path not in self._parsed:
            self._parsed[path] = read_json(path)
        return self._parsed[path]

    def json_files(self) -> dict[str, Any]:
        """Return the content of all JSON files but those named like an image; None if malformed.

        Annotations of single images are as many as the images and are not read here.
        """
        stems = {name.rpartition(".")[0] for name in self.images}
        contents: dict[str, Any] = {}
        for name, path in self.with_suffix(".json").items():
            stem = name[: -len(".json")]
            if stem in self.images or stem in stems or PurePosixPath(name).parent.name == "ann":
                continue
            try:
                contents[name] = self.json(path)
            except BadAnnotationError:
                contents[name] = None
        return contents

    def find_image(self, name: str, near: str, *, any_suffix: bool = False) -> str:
        """Return the image of this folder that an annotation file at `near` means by `name`.

        `name` can be a path or an address of another machine; its end decides. It is never
        followed. With `any_suffix`, it has no suffix.
        Raises BadAnnotationError if there is no such image, or several.
        """
        wanted = [p.casefold() for p in re.split(r"[/\\]+", name) if p not in ("", ".", "..")]
        if not wanted:
            raise BadAnnotationError("annotation without the name of an image")
        around = near.casefold()
        hints = {*around.split("/"), *re.split(r"[^0-9a-z]+", around)}
        stem = wanted[-1] if any_suffix else PurePosixPath(wanted[-1]).stem
        found: list[tuple[int, int, str]] = []
        for candidate in self._by_stem.get(stem, []):
            parts = candidate.casefold().split("/")
            if any_suffix:
                parts[-1] = stem
            same = _common_end(parts, wanted)
            if same == 0:
                continue  # another suffix
            rest = parts[:-same]
            if same < len(wanted) and any(p not in CONTAINERS and p not in hints for p in rest):
                continue  # the image of another folder
            found.append((same, sum(part in hints for part in rest), candidate))
        if not found:
            raise BadAnnotationError("annotation without image")
        found.sort(reverse=True)
        if len(found) > 1 and found[0][:2] == found[1][:2]:
            raise BadAnnotationError(
                f"several images have this name: {found[1][2]} and {found[0][2]}"
            )
        return found[0][2]


def read_json(path: Path) -> Any:
    """Return the content of a JSON file with or without byte order mark.

    Raises BadAnnotationError.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as err:
        raise BadAnnotationError(f"annotation cannot be read: {err.strerror}") from err
    except (ValueError, RecursionError) as err:
        raise BadAnnotationError(f"malformed JSON: {err}") from err


def decode_image(content: NDArray[np.uint8], flags: int) -> NDArray[Any] | None:
    """Return the pixels of an image file's bytes as OpenCV reads them; None if it cannot."""
    try:
        return cv2.imdecode(content, flags) if content.size else None
    except cv2.error:  # a size that no image has
        return None


def _common_end(first: list[str], second: list[str]) -> int:
    pairs = zip(reversed(first), reversed(second), strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))


def _walk(root: Path) -> list[tuple[str, Path]]:
    found: list[tuple[str, Path]] = []
    seen: set[Path] = set()

    def refuse(err: OSError) -> None:
        raise SourceError(
            f"data folder cannot be read: {err.filename}: {err.strerror}: check its permissions"
        ) from err

    for place, folders, files in os.walk(root, followlinks=True, onerror=refuse):
        real = Path(place).resolve()
        if real in seen:
            folders.clear()  # a link to a folder above
            continue
        seen.add(real)
        # A folder with the name of an image is an image that cannot be read.
        odd = [n for n in folders if Path(n).suffix.lower() in IMAGE_SUFFIXES]
        folders[:] = sorted(n for n in folders if not n.startswith(".") and n not in odd)
        for name in (*files, *odd):
            if not name.startswith("."):
                path = Path(place, name)
                found.append((path.relative_to(root).as_posix(), path))
    return found
