"""What holds for every format: the choice of it, classes, empty frames, surgeries."""

from __future__ import annotations

import doctest
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from cornea_stream.errors import SourceError, UsageError
from cornea_train.dataset import open_cache
from cornea_train.formats import (
    FORMATS,
    DataOptions,
    find_pairs,
    groups,
)
from cornea_train.formats import masks as masks_module

from ..conftest import annotation, circle, eye, polygon, write_pair
from .annotated import EXPORTS, export


def test_names_of_classes_that_are_there(tmp_path: Path) -> None:
    root = tmp_path / "data"
    write_pair(root / "case1", "a.png", eye(1)[0], annotation([polygon(circle(9, 9, 5), "Lens")]))
    write_pair(root / "case1", "b.png", eye(1)[0], annotation([polygon(circle(9, 9, 5), "Iris")]))
    with pytest.raises(SourceError, match=r"no class 'Cornea': .*: it has Lens, Iris: choose one"):
        open_cache(root, tmp_path / "cache", 64)
    cache = open_cache(
        root, tmp_path / "cache", 64, options=DataOptions(class_name="LENS"), max_bad=1
    )
    assert [pair.image.name for pair in cache.pairs] == ["a.png"]


def test_odd_names_of_classes_stay_one_short_line(tmp_path: Path) -> None:
    shapes = [
        polygon(circle(9, 9, 5), title)
        for title in ("Le\nns", "\x1b[31mIris\u202e", "x" * 500, *map(str, range(100)))
    ]
    write_pair(tmp_path / "case1", "a.png", eye(1)[0], annotation(shapes))
    with pytest.raises(SourceError) as told:
        find_pairs(tmp_path)
    message = str(told.value)
    assert "it has Le ns, [31mIris, xxx" in message
    assert message.isprintable()
    assert len(message) < 500
    assert "…: choose one" in message


def test_frames_that_are_all_empty_are_refused(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for name in ("a.png", "b.png"):
        write_pair(root / "case1", name, eye(1)[0], annotation([]))
    with pytest.raises(SourceError, match="2 unusable pairs"):
        open_cache(root, tmp_path / "cache", 64)
    options = DataOptions(empty_is_background=True)
    with pytest.raises(SourceError, match="no mask shows the class 'Cornea'"):
        open_cache(root, tmp_path / "cache", 64, options=options)
    write_pair(root / "case2", "c.png", *eye(1))
    assert len(open_cache(root, tmp_path / "cache", 64, options=options).pairs) == 3


@pytest.mark.parametrize(
    ("group_by", "groups"),
    [
        (None, ["all frames"]),
        ("folder", ["all frames"]),
        ("prefix", ["case_a", "case_b"]),
        (r"case_(\w)_", ["a", "b"]),
        ("case_.", ["case_a", "case_b"]),
    ],
)
def test_groups(tmp_path: Path, group_by: str | None, groups: list[str]) -> None:
    root = export(tmp_path, "datumaro_coco", "images/train/{0}.png")
    pairs, _ = find_pairs(root, DataOptions(group_by=group_by))
    assert sorted({pair.case for pair in pairs}) == groups


def test_groups_that_are_none(tmp_path: Path) -> None:
    root = export(tmp_path, "datumaro_coco", "images/train/{0}.png")
    with pytest.raises(
        UsageError, match=r"group_by must match every image: .*images/train/case_a_01"
    ):
        find_pairs(root, DataOptions(group_by="video(.)"))
    with pytest.raises(UsageError, match="must be a regular expression"):
        find_pairs(root, DataOptions(group_by="("))


def test_two_formats_must_be_told_apart(tmp_path: Path) -> None:
    root = export(tmp_path, "datumaro_coco", "images/train/{0}.png")
    shutil.copytree(EXPORTS / "datumaro_cvat", root, dirs_exist_ok=True)
    with pytest.raises(SourceError, match=r"several formats: .*: coco and cvat: choose one with"):
        find_pairs(root)
    for form in ("coco", "cvat"):
        assert len(find_pairs(root, DataOptions(form))[0]) == 3


@pytest.mark.parametrize("module", [groups, masks_module])
def test_the_examples_of_groups_and_values(module: ModuleType) -> None:
    failed, tried = doctest.testmod(module)
    assert tried
    assert not failed


def test_wrong_options_and_folders(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="data_format must be one of these: 'voc': use auto"):
        find_pairs(tmp_path, DataOptions("voc"))
    with pytest.raises(UsageError, match="class_name must be a name"):
        find_pairs(tmp_path, DataOptions(class_name=" / "))
    with pytest.raises(SourceError, match="no annotated frames") as told:
        find_pairs(tmp_path)
    assert all(known.expects in str(told.value) for known in FORMATS)
