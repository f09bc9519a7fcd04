"""Finds the sources that arguments name, and chooses the output folder of each."""

from __future__ import annotations

import glob
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import TypeAlias

from cornea_stream.errors import SourceError, UsageError
from cornea_stream.media.frame import source_name
from cornea_stream.sources import is_image
from cornea_stream.storage import is_ours

# fmt: off
VIDEO_SUFFIXES = frozenset({
    ".264", ".265", ".3g2", ".3gp", ".asf", ".avi", ".dv", ".flv", ".h264", ".h265", ".hevc",
    ".m2ts", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mts",
    ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m",
})
# fmt: on
"""Suffixes of videos in searched folders; files named directly can have any suffix."""

Note: TypeAlias = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Found:
    """A source and its place relative to the output folder."""

    path: Path
    place: Path


def find_sources(
    patterns: Sequence[str], output_dir: Path, on_note: Note = lambda _: None
) -> list[Found]:
    """Return the sources that `patterns` (files, folders, globs) name, each once, in their order.

    A folder stands for the videos at any depth below it, and for the folders at any depth that hold
    images, each of which is one source. Images beside a video (covers, thumbnails) are passed over,
    and `on_note` gets a sentence about them. Structure is kept: `2024/a.mp4` below the folder goes
    to `2024/a`, and so with a glob below its first wildcard. Hidden files, `output_dir` and the
    outputs of earlier runs (folders with a run.json) are passed over.
    Sources that would share a place get longer ones, in whatever order they are given: `a.avi` and
    `a.mp4`, or `2023/a` and `2024/a`.
    Raises SourceError if a pattern matches nothing, and UsageError if places cannot be unique.
    """
    found: dict[Path, Found] = {}
    for pattern in patterns:
        matches = list(_matches(pattern, output_dir, on_note))
        if not matches:
            raise SourceError(
                f"no videos and no images in: {pattern}: check the path (hidden files and outputs "
                "of earlier runs are skipped)"
            )
        for match in matches:
            found.setdefault(_absolute(match.path), match)
    return _told_apart(list(found.values()))


def _matches(pattern: str, output_dir: Path, on_note: Note) -> Iterator[Found]:
    """Yield what one argument names."""
    path = Path(pattern)
    if path.is_dir():
        yield from _in_folder(path, Path(source_name(path)), Path(), output_dir, on_note)
    elif glob.has_magic(pattern) and not path.exists():
        yield from _in_glob(pattern, output_dir, on_note)
    else:
        yield Found(path, Path(_stem(path)))


def _in_glob(pattern: str, output_dir: Path, on_note: Note) -> Iterator[Found]:
    paths = sorted(map(Path, glob.glob(pattern, recursive=True)))  # noqa: PTH207 (absolute too)
    if not paths:
        raise SourceError(f"no file matches: {pattern}: check the pattern")
    base = Path(*takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts))
    for path in paths:
        place = path.relative_to(base)
        if any(_is_output(base / folder, output_dir) for folder in [*place.parents][:-1]):
            continue
        if path.is_dir():
            if "**" not in pattern:  # which matches what is in the folder as well
                yield from _in_folder(path, place, place, output_dir, on_note)
        elif "**" not in pattern or _is_video(path) or is_image(path):
            yield Found(path, place.parent / _stem(path))


def _in_folder(
    folder: Path, name: Path, place: Path, output_dir: Path, on_note: Note
) -> Iterator[Found]:
    """Yield what is in a folder: itself at `name`, and what lies below it, below `place`."""
    for path in _search(folder, output_dir, set(), on_note):
        below = path.relative_to(folder)
        if path == folder:
            yield Found(path, name)
        else:
            yield Found(path, place / (below if path.is_dir() else below.parent / _stem(path)))


def _search(folder: Path, output_dir: Path, seen: set[Path], on_note: Note) -> list[Path]:
    """Return the videos and the folders of images at or below `folder`, sorted."""
    seen.add(folder.resolve())  # symbolic links can form cycles
    try:
        with os.scandir(folder) as entries:
            names = sorted(e.name for e in entries if not e.name.startswith("."))
    except OSError:
        return [folder]  # to be told among the failures
    images, videos, below = 0, [], []
    for path in (folder / name for name in names):
        if path.is_dir():
            if path.resolve() not in seen and not _is_output(path, output_dir):
                below += _search(path, output_dir, seen, on_note)
        elif _is_video(path):
            videos.append(path)
        elif is_image(path):
            images += 1
    if images and videos:
        on_note(
            f"images beside videos passed over: {folder} ({images}): name them, or move them to a "
            "folder of their own"
        )
    return sorted([*([folder] if images and not videos else []), *videos, *below])


def _is_output(folder: Path, output_dir: Path) -> bool:
    return folder.resolve() == output_dir.resolve() or is_ours(folder)


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir()


def _stem(path: Path) -> str:
    """Return the output name of a file; "..mp4" must not lead out of the folder."""
    return path.name if path.stem in (".", "..") else path.stem


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 (keeps links as they are)


def _told_apart(found: list[Found]) -> list[Found]:
    """Give sources unique places if they share one or one contains another."""
    for _ in range(2):
        groups: dict[Path, list[Found]] = defaultdict(list)
        for one in found:
            groups[one.place].append(one)
        holding = {parent for place in groups for parent in place.parents}
        longer = {
            one.path: one
            for place, group in groups.items()
            if len(group) > 1 or place in holding
            for one in _longer(group)
        }
        found = [longer.get(one.path, one) for one in found]
    taken: dict[Path, Path] = {}
    for one in found:
        if one.place in taken:
            raise UsageError(
                f"two inputs share the output folder {str(one.place)!r}: {taken[one.place]} and "
                f"{one.path}: run them separately, each with its own output folder"
            )
        taken[one.place] = one.path
    return found


def _longer_name(found: Found) -> Path:
    """Return the place with the file's suffix, or one level below; runs do not lie in another's."""
    name = found.place.with_name(found.path.name)
    return name if name != found.place else found.place / name.name


def _longer(group: list[Found]) -> list[Found]:
    """Return the sources with full file names as places, or with the differing path parts."""
    names = [one.path.name for one in group]
    if len(set(names)) == len(names):
        return [replace(one, place=_longer_name(one)) for one in group]
    paths = [_absolute(one.path) for one in group]
    base = os.path.commonpath([path.parent for path in paths])
    return [
        replace(one, place=path.parent.relative_to(base) / one.place.name)
        for one, path in zip(group, paths, strict=True)
    ]
