"""Finds the sources that arguments name, and chooses the output folder of each."""

from __future__ import annotations

import glob
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import TypeAlias

from cornea_stream.errors import SourceError, UsageError
from cornea_stream.media.frame import source_name
from cornea_stream.runs.snapshot import is_snapshot
from cornea_stream.sources import is_image
from cornea_stream.sources.dicom import SUFFIXES as DICOM_SUFFIXES
from cornea_stream.storage import is_ours

# fmt: off
VIDEO_SUFFIXES = frozenset({
    ".264", ".265", ".266", ".3g2", ".3gp", ".amv", ".apv", ".asf", ".av1", ".avc", ".avi", ".avs2",
    ".avs3", ".dav", ".dif", ".divx", ".dv", ".dvr-ms", ".evc", ".f4v", ".flc", ".fli", ".flv",
    ".gif", ".gxf", ".h261", ".h263", ".h264", ".h265", ".h266", ".h26l", ".hevc", ".insv", ".ismv",
    ".ivf", ".ivr", ".kux", ".lrv", ".m1v", ".m2p", ".m2t", ".m2ts", ".m2v", ".m4v", ".mj2",
    ".mjpeg", ".mjpg", ".mk3d", ".mkv", ".mod", ".mov", ".mp2v", ".mp4", ".mpe", ".mpeg", ".mpg",
    ".mpv", ".mts", ".mxf", ".mxg", ".nsv", ".nut", ".obu", ".ogm", ".ogv", ".pva", ".qt", ".rcv",
    ".rm", ".rmvb", ".ser", ".tod", ".tp", ".trp", ".ts", ".ty", ".ty+", ".vc1", ".viv", ".vob",
    ".vro", ".vvc", ".webm", ".wmv", ".wtv", ".xmv", ".xvid", ".y4m", ".yop",
})
# fmt: on
"""Suffixes of videos in searched folders; files named directly can have any suffix.

Those of FFmpeg's demuxers that mean video and nothing else, and those of camcorders.
"""


@dataclass(frozen=True, slots=True)
class PassedOver:
    """Files of a searched folder that are not processed, and why."""

    folder: Path
    kind: str
    files: str
    advice: str

    def __str__(self) -> str:
        return f"{self.kind} passed over: {self.folder} ({self.files}): {self.advice}"


Note: TypeAlias = Callable[[PassedOver], None]


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
    images, each of which is one source. Images beside a video (covers, thumbnails) and files with
    other suffixes are passed over, and `on_note` gets them. Symbolic links are followed, each
    folder once. Structure is kept: `2024/a.mp4` below the folder goes to `2024/a`, and so with a
    glob below its first wildcard. Hidden files, `output_dir` and the outputs of earlier runs
    (folders with a run.json) are passed over.
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
    others: Counter[str] = Counter()
    if path.is_dir():
        search = _Search(output_dir, on_note, others)
        yield from _in_folder(path, Path(source_name(path)), Path(), search)
    elif glob.has_magic(pattern) and not path.exists():
        yield from _in_glob(pattern, _Search(output_dir, on_note, others))
    else:
        yield Found(path, Path(_stem(path)))
    if others:
        files = ", ".join(f"{count} {suffix}" for suffix, count in sorted(others.items()))
        advice = "to process one, name it: any suffix is tried then"
        on_note(PassedOver(path, "files of other types", files, advice))


@dataclass(frozen=True, slots=True)
class _Search:
    """What searches share: the output folder, whom to tell, and the suffixes passed over."""

    output_dir: Path
    on_note: Note
    others: Counter[str]

    def is_output(self, folder: Path) -> bool:
        own = folder.resolve() == self.output_dir.resolve()
        return own or is_ours(folder) or is_snapshot(folder)

    def pass_over(self, path: Path) -> None:
        self.others[path.suffix.lower() or "without suffix"] += 1


def _in_glob(pattern: str, search: _Search) -> Iterator[Found]:
    paths = sorted(map(Path, glob.glob(pattern, recursive=True)))  # noqa: PTH207 (absolute too)
    if not paths:
        raise SourceError(f"no file matches: {pattern}: check the pattern")
    base = Path(*takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts))
    recursive = "**" in pattern
    for path in _each_once(paths) if recursive else paths:
        place = path.relative_to(base)
        if any(search.is_output(base / folder) for folder in [*place.parents][:-1]):
            continue
        if path.is_dir():
            if not recursive:  # else what is in the folder matches as well
                yield from _in_folder(path, place, place, search)
        elif not recursive or _is_video(path) or is_image(path):
            yield Found(path, place.parent / _stem(path))
        else:
            search.pass_over(path)


def _each_once(paths: list[Path]) -> list[Path]:
    """Return the shortest path of each file: links to folders above give the others."""
    shortest: dict[Path, Path] = {}
    for path in sorted(paths, key=lambda path: len(path.parts)):
        shortest.setdefault(path.resolve(), path)
    return sorted(shortest.values())


def _in_folder(folder: Path, name: Path, place: Path, search: _Search) -> Iterator[Found]:
    """Yield what is in a folder: itself at `name`, and what lies below it, below `place`."""
    for path in _below(folder, set(), search):
        below = path.relative_to(folder)
        if path == folder:
            yield Found(path, name)
        else:
            yield Found(path, place / (below if path.is_dir() else below.parent / _stem(path)))


def _below(folder: Path, seen: set[Path], search: _Search) -> list[Path]:
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
            if path.resolve() not in seen and not search.is_output(path):
                below += _below(path, seen, search)
        elif _is_video(path):
            videos.append(path)
        elif is_image(path):
            images += 1
        else:
            search.pass_over(path)
    if images and videos:
        advice = "name them, or move them to a folder of their own"
        search.on_note(PassedOver(folder, "images beside videos", str(images), advice))
    return sorted([*([folder] if images and not videos else []), *videos, *below])


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES | DICOM_SUFFIXES and not path.is_dir()


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
