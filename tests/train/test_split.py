"""The split: surgeries stay together, a file gives the same split."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cornea_stream.errors import UsageError
from cornea_train.config import TrainConfig
from cornea_train.formats import find_pairs
from cornea_train.split import make_split, read_split, write_split

from .conftest import eye, write_pair


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
