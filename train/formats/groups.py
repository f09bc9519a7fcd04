"""The surgery of a frame, by which data are split."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from cornea_stream.errors import UsageError
from cornea_train.formats.base import Pair
from cornea_train.formats.files import CONTAINERS

FOLDER, PREFIX = "folder", "prefix"
# Folders of a data set that are not surgeries.
_OTHERS = CONTAINERS | {
    "all", "default", "label", "labels", "mask", "masks", "test", "train", "training", "val",
    "valid", "validation",
}  # fmt: skip
_FRAME_NUMBER = re.compile(r"[ ._-]*(?:frame|image|img)?[ ._-]*\d+$", re.IGNORECASE)


def folder_group(name: str) -> str:
    """Return the folders of an image without those that only sort data, such as train/images.

    >>> folder_group("train/case_7/images/x.png"), folder_group("images/x.png")
    ('case_7', 'all frames')
    """
    parts = [p for p in PurePosixPath(name).parent.parts if p.lower() not in _OTHERS]
    return "/".join(parts) or "all frames"


def prefix_group(name: str) -> str:
    """Return the file name of an image up to its frame number.

    >>> prefix_group("images/case5014_01.png"), prefix_group("Video1_frame000090.png")
    ('case5014', 'Video1')
    """
    stem = PurePosixPath(name).stem
    return _FRAME_NUMBER.sub("", stem) or folder_group(name)


def grouped(pairs: Sequence[Pair], group_by: str | None) -> list[Pair]:
    """Return the pairs with the surgery that `group_by` says: folder, prefix or an expression.

    Of a regular expression the first group counts, else the whole match, in the path of the image
    within the data folder. None leaves the pairs as they are. Raises UsageError.
    """
    if group_by is None:
        return list(pairs)
    if group_by in (FOLDER, PREFIX):
        group = folder_group if group_by == FOLDER else prefix_group
        return [replace(pair, case=group(pair.name)) for pair in pairs]
    try:
        pattern = re.compile(group_by)
    except re.error as err:
        raise UsageError(
            f"group_by must be a regular expression: {group_by}: {err}: give folder, prefix or "
            "an expression such as '(case_\\d+)'"
        ) from err
    found = []
    for pair in pairs:
        match = pattern.search(pair.name)
        case = match and (match[1] if pattern.groups else match[0])
        if not case:
            raise UsageError(
                f"group_by must match every image: {group_by}: not {pair.name}: give another "
                "expression"
            )
        found.append(replace(pair, case=case))
    return found
