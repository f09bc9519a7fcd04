"""Weights for another structure: its name is in legends, file names, run.json and reports."""

from __future__ import annotations

import doctest
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY_SPEC, bright_segmenter, disc, moving_discs, write_video

from cornea_stream.cli import main
from cornea_stream.errors import CheckpointError, UsageError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media import class_name
from cornea_stream.media.class_name import as_class_name, is_class_name
from cornea_stream.media.overlay import OverlayStyle, YuvPainter, paint_rgb
from cornea_stream.models.checkpoint import load_checkpoint, save_checkpoint
from cornea_stream.models.pspnet import ModelSpec, build_pspnet
from cornea_stream.report import write_index
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_stream.runs.snapshot import snapshot
from cornea_train.annotate import annotate
from cornea_train.formats import DataOptions, find_pairs


@pytest.fixture
def pupil(tmp_path: Path) -> Segmenter:
    path = tmp_path / "pupil.safetensors"
    model = build_pspnet("resnet18", psp_out_channels=32)
    save_checkpoint(path, model.state_dict(), replace(TINY_SPEC, class_name="Pupil"))
    return bright_segmenter(path)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    dark = np.full((120, 160, 3), 30, np.uint8)
    return write_video(tmp_path / "eye.mp4", [*moving_discs(4), dark, dark])


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_the_name_is_in_the_checkpoint(tmp_path: Path, suffix: str) -> None:
    weights = build_pspnet("resnet18", psp_out_channels=32).state_dict()
    for name in ("Cornea", "Pupil", "IOL 2"):
        path = tmp_path / f"{name}{suffix}"
        save_checkpoint(path, weights, replace(TINY_SPEC, class_name=name))
        assert load_checkpoint(path).spec.class_name == name
        assert is_class_name(as_class_name(name))


def test_the_examples() -> None:
    failed, tried = doctest.testmod(class_name)
    assert tried
    assert not failed


def test_names_of_annotations_become_names_of_files() -> None:
    for name in (" I/A Handpiece ", "pupil", "角膜", "../../x", "a" * 99, "(x)"):
        assert is_class_name(as_class_name(name))


def test_a_checkpoint_of_corneas_says_nothing_new() -> None:
    assert "class_name" not in TINY_SPEC.to_dict()
    assert ModelSpec.from_dict(TINY_SPEC.to_dict()).class_name == "Cornea"


@pytest.mark.parametrize("name", ["../x", "a/b", "", " x", "a\nb", "x" * 41, "C:", 5])
def test_names_that_could_leave_the_folder(tmp_path: Path, name: object) -> None:
    path = tmp_path / "x.safetensors"
    weights = build_pspnet("resnet18", psp_out_channels=32).state_dict()
    save_checkpoint(path, weights, replace(TINY_SPEC, class_name=name))  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match="class_name"):
        load_checkpoint(path)


def test_the_legend(pupil: Segmenter, segmenter: Segmenter, tmp_path: Path) -> None:
    image = disc(320, 240, 200, 150, 40)[0]
    video = write_video(tmp_path / "still.mp4", [image])
    found, other = (next(each.stream(video)) for each in (pupil, segmenter))
    other = replace(other, mask=found.mask)  # a pupil is not sought at the limbus
    assert (found.class_name, other.class_name) == ("Pupil", "Cornea")
    painted, usual = (paint_rgb(each, OverlayStyle()) for each in (found, other))
    rows, columns = np.nonzero((painted != usual).any(axis=2))
    assert rows.size
    assert (rows.max(), columns.max()) < (60, 160)  # the legend only
    videos = [YuvPainter(OverlayStyle())(each).to_ndarray(format="gray") for each in (found, other)]
    assert not np.array_equal(*videos)


def test_files_and_records_of_a_run(pupil: Segmenter, video: Path, tmp_path: Path) -> None:
    options = RunOptions(mask=True, metrics=True, report=True, summary=True)
    folder = Path(run_source(video, tmp_path / "out", pupil, options).folder)
    record = json.loads((folder / "run.json").read_text())
    assert record["checkpoint"]["spec"]["class_name"] == "Pupil"
    assert "class_name" not in record["settings"]
    page = (folder / "report.html").read_text()
    for text in (
        "Pupil report",
        "pupil report</title>",
        "Frames with pupil",
        "no pupil",
        "pupil lost",
    ):
        assert text in page
    assert "cornea" not in page.lower().replace("cornea-stream", "").replace("cornea_stream", "")
    index, _ = write_index(tmp_path / "out")
    assert "With pupil" in index.read_text()
    skipped = run_source(video, tmp_path / "out", pupil, replace(options, resume=True))
    assert skipped.status == "skipped"

    (found,) = snapshot(video, [0.0], tmp_path / "frame", pupil)
    names = sorted(path.name for path in found.folder.iterdir())
    assert names == ["Pupil.png", "mask.png", "original.png", "overlay.png"]


def test_annotations_of_a_run_train_the_same_structure(
    pupil: Segmenter, video: Path, tmp_path: Path
) -> None:
    options = RunOptions(overlay=False, mask=True, metrics=True)
    folder = run_source(video, tmp_path / "out", pupil, options).folder
    annotate([folder], tmp_path / "a", spread=6, uncertain=0)
    for form in ("auto", "coco"):
        pairs, problems = find_pairs(tmp_path / "a", DataOptions(form, "Pupil"))
        drawn = [pair.draw((120, 160)).any() for pair in pairs]
        assert (drawn, problems) == ([True] * 4 + [False] * 2, [])
    (category,) = json.loads((tmp_path / "a" / "coco.json").read_text())["categories"]
    assert category["name"] == "Pupil"


def test_the_width_of_a_cornea_is_no_scale_of_others(
    pupil: Segmenter, video: Path, tmp_path: Path
) -> None:
    options = RunOptions(metrics=True, white_to_white_mm=11.7)
    with pytest.raises(UsageError, match="the weights are for Pupil"):
        run_source(video, tmp_path / "out", pupil, options)


def test_the_command_names_the_structure(
    pupil: Segmenter,
    video: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("cornea_stream.batch.setup.Segmenter", lambda *_, **__: pupil)
    command = [
        "cornea-stream", "frame", str(video), "0", "-o", str(tmp_path / "f"),
        "--checkpoint", str(pupil.checkpoint.path),
    ]  # fmt: skip
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit):
        main()
    assert "pupil, confidence" in capsys.readouterr().out
