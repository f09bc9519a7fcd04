"""The folder of corrections: nothing is lost, and training reads what was accepted."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import disc, read_video

from cornea_stream.cli.correct import train_command
from cornea_stream.errors import OutputError, SourceError, UsageError
from cornea_stream.postprocess.mask import iou
from cornea_train.correct.editor import Editor
from cornea_train.correct.outline import (
    BadOutlineError,
    NoCornea,
    Outline,
    Polygon,
    filled,
)
from cornea_train.correct.prepare import prepare
from cornea_train.correct.project import WORK, ChangedError, Project
from cornea_train.dataset import load_pair
from cornea_train.formats import DataOptions, find_pairs
from cornea_train.supervisely import annotation

from .conftest import ELLIPSE, SIZE, ask, by_definition, save


@pytest.mark.parametrize(
    ("outline", "why"),
    [
        (Polygon(((10, 10), (60, 60), (60, 10), (10, 60))), "crosses itself"),
        (replace(ELLIPSE, x=-300), "covers no pixel"),
    ],
)
def test_outlines_that_are_not_accepted(project: Project, outline: Outline, why: str) -> None:
    with pytest.raises(BadOutlineError, match=why):
        filled(outline, SIZE)
    with pytest.raises(BadOutlineError, match=why):
        save(project, 0, outline)
    assert not project.is_done(project.frames[0])
    save(project, 0, outline, done=False)  # somebody is still drawing
    assert project.state(project.frames[0]).outline == outline


def test_training_reads_what_was_accepted_and_nothing_else(project: Project) -> None:
    with pytest.raises(SourceError, match="no annotated frames"):
        find_pairs(project.root)
    kept = Polygon(((20, 20), (100, 25), (60, 100)))
    for index, outline in enumerate([ELLIPSE, kept, NoCornea()]):
        save(project, index, outline)
    save(project, 3, ELLIPSE, done=False)
    pairs, problems = find_pairs(project.root)
    assert problems == []
    names = {frame.name: frame for frame in project.frames[:3]}
    assert {pair.image.stem for pair in pairs} == names.keys()
    frames = [
        frame.to_ndarray(format="rgb24") for _, frame in read_video(project.root.parent / "eye.mp4")
    ]
    for pair in pairs:
        assert pair.case == "case_eye"
        frame = names[pair.image.stem]
        image, mask = load_pair(pair)
        assert np.array_equal(image, frames[int(frame.name[-6:])])
        assert np.array_equal(mask, project.state(frame).outline.mask(SIZE))
    assert np.array_equal(
        load_pair(next(p for p in pairs if p.image.stem == project.frames[0].name))[1],
        by_definition(ELLIPSE, SIZE),
    )
    assert train_command(project).startswith(
        f"cornea-stream train --data-dir {project.root} --init"
    )
    assert train_command(project).endswith(f" --output-dir {project.root}_weights")


def test_taking_back_leaves_nothing_in_training(project: Project) -> None:
    save(project, 0, ELLIPSE)
    save(project, 1, ELLIPSE)
    save(project, 0, ELLIPSE, done=False)
    pairs, problems = find_pairs(project.root)
    assert ([pair.image.stem for pair in pairs], problems) == ([project.frames[1].name], [])
    state = project.state(project.frames[0])
    assert (state.outline, state.done) == (ELLIPSE, False)


def test_a_change_of_an_old_revision_is_refused(project: Project) -> None:
    frame = project.frames[0]
    first = project.state(frame).revision
    second = project.save(frame, ELLIPSE, done=False, revision=first).revision
    third = project.save(frame, ELLIPSE, done=True, revision=second).revision
    assert len({first, second, third}) == 3
    for old in (first, second, ""):
        with pytest.raises(ChangedError):
            project.save(frame, NoCornea(), done=True, revision=old)
    assert project.state(frame).outline == ELLIPSE


def test_everything_is_there_after_the_process_ends(project: Project, run_dir: Path) -> None:
    save(project, 0, ELLIPSE)
    save(project, 1, NoCornea())
    save(project, 2, ELLIPSE, done=False)
    states = [project.state(frame) for frame in project.frames]
    project.close()
    (run_dir / "metrics.csv").unlink()
    shutil.rmtree(run_dir)
    with Project(project.root) as again:
        prepare(again, [])
        assert [again.state(frame) for frame in again.frames] == states


def test_what_a_killed_process_left_is_tidied_up(project: Project, run_dir: Path) -> None:
    save(project, 0, ELLIPSE)
    frame, other = project.frames[:2]
    project.close()
    case = project.root / "case_eye"
    work = project.root / WORK / "case_eye"
    shutil.copy(work / f"{other.name}.png", case / "img" / f"{other.name}.png")
    for folder in (case / "img", case / "ann", work):
        (folder / f".{other.name}.abcd.part.json").write_text("{")
    assert find_pairs(project.root)[1]
    with Project(project.root) as again:
        pairs, problems = find_pairs(again.root)
        assert ([pair.image.stem for pair in pairs], problems) == ([frame.name], [])
        assert not list(again.root.rglob(".*.part*"))
        assert len(again.frames) == len(project.frames)


def test_annotations_of_other_tools_are_shown_and_kept(project: Project) -> None:
    frame = project.frames[0]
    save(project, 0, ELLIPSE)
    path = project.root / "case_eye" / "ann" / f"{frame.name}.png.json"
    corrected = disc(160, 120, 70, 50, 33)[1]
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **annotation(corrected)}))  # our key is still there
    state = project.state(frame)
    assert state.done
    assert project.is_done(frame)
    assert iou(state.outline.mask(SIZE), corrected) > 0.98
    path.write_text(json.dumps({**annotation(corrected), "objects": []}))
    state = project.state(frame)
    assert (state.done, state.outline) == (False, frame.proposal)
    assert not project.is_done(frame)
    save(project, 0, NoCornea())
    assert not load_pair(find_pairs(project.root)[0][0])[1].any()


def test_other_structures(project: Project, run_dir: Path, tmp_path: Path) -> None:
    content = json.loads((run_dir / "run.json").read_text())
    content["checkpoint"]["spec"]["class_name"] = "Pupil"
    (run_dir / "run.json").write_text(json.dumps(content))
    with pytest.raises(UsageError, match="several structures: Cornea, Pupil"):
        prepare(project, [run_dir], spread=9)
    with Project(tmp_path / "pupils") as pupils:
        prepare(pupils, [run_dir], spread=3, uncertain=0)
        for index, outline in enumerate([ELLIPSE, NoCornea()]):
            save(pupils, index, outline)
        assert [pupils.state(frame).outline for frame in pupils.frames[:2]] == [ELLIPSE, NoCornea()]
        pairs, problems = find_pairs(pupils.root, DataOptions(class_name="Pupil"))
        assert ([load_pair(pair)[1].any() for pair in pairs], problems) == ([True, False], [])
        assert train_command(pupils).endswith(
            f"--class-name Pupil --output-dir {pupils.root}_weights"
        )
        with Editor(pupils, next_step=str) as editor:
            page = ask(editor, "")[2].decode()
    assert "No pupil" in page
    assert "cornea is" not in page


def test_two_processes_and_foreign_annotations(
    project: Project, run_dir: Path, tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match="another process corrects in this folder"):
        Project(project.root)
    theirs = tmp_path / "theirs" / "case_eye" / "ann"
    theirs.mkdir(parents=True)
    with Project(tmp_path / "theirs") as other, pytest.raises(OutputError, match="output exists"):
        prepare(other, [run_dir])
    assert list((tmp_path / "theirs").rglob("*")) == [theirs.parent, theirs]
    with (
        Project(tmp_path / "empty") as empty,
        pytest.raises(UsageError, match="nothing to correct"),
    ):
        prepare(empty, [])
    assert not (tmp_path / "empty").exists()
    (tmp_path / "empty").mkdir()
    with Project(tmp_path / "empty"):
        pass
    assert not list((tmp_path / "empty").iterdir())
