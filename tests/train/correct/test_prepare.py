"""Which frames of runs are prepared, and that they are those of the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from conftest import read_video, write_video
from foreign import network

from cornea_stream.errors import CheckpointError, SourceError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.postprocess.mask import iou
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_train import run_frames
from cornea_train.correct.prepare import prepare
from cornea_train.correct.project import Project

from .conftest import ELLIPSE, TABLES, picture, save


def test_the_least_certain_come_first(project: Project) -> None:
    reasons = [frame.reason for frame in project.frames]
    assert reasons[0].startswith(("cornea", "agreement", "confidence"))
    assert reasons[-2:] == ["evenly spread"] * 2
    assert {frame.name for frame in project.frames} >= {"eye_000000", "eye_000029"}


def test_more_frames_are_added_and_the_source_is_needed_for_those_only(
    project: Project, run_dir: Path, tmp_path: Path
) -> None:
    save(project, 0, ELLIPSE)
    source = tmp_path / "eye.mp4"
    source.rename(tmp_path / "moved.mp4")
    prepare(project, [run_dir], spread=3, uncertain=2)
    with pytest.raises(SourceError, match=r"source of the run is missing: .*eye.mp4"):
        prepare(project, [run_dir], spread=8, uncertain=2)
    (tmp_path / "moved.mp4").rename(source)
    before = {frame.name for frame in project.frames}
    steps: list[tuple[int, int]] = []
    prepare(project, [run_dir], spread=8, uncertain=2, on_progress=lambda *step: steps.append(step))
    added = {frame.name for frame in project.frames} - before
    assert steps == [(i, len(added)) for i in range(len(added))]
    assert len(added) >= 5
    assert sum(map(project.is_done, project.frames)) == 1
    with Project(tmp_path / "other") as other:
        prepare(other, [run_dir], spread=8, uncertain=2)
        assert {f.name for f in other.frames} <= {f.name for f in project.frames}


def frames_of(tmp_path: Path, run: Path, name: str, **count: int) -> dict[str, np.ndarray]:
    """Prepare a run; return its images by name, with the proposed mask as the fourth channel."""
    with Project(tmp_path / name) as project:
        prepare(project, [run], **count)
        return {
            frame.name: np.dstack(
                [cv2.imread(str(project.image(frame))), frame.proposal.mask(frame.size)]
            )
            for frame in project.frames
        }


def test_seeking_gives_the_frames_of_a_pass(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = frames_of(tmp_path, run_dir, "a", spread=9, uncertain=3)
    monkeypatch.setattr(run_frames, "_FRAMES_PER_SEEK", 0)
    sought = frames_of(tmp_path, run_dir, "b", spread=9, uncertain=3)
    assert passed.keys() == sought.keys()
    assert all(np.array_equal(passed[name], sought[name]) for name in passed)


def test_runs_without_masks_are_segmented_again(
    tmp_path: Path, segmenter: Segmenter, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_frames, "Segmenter", lambda *_, **__: segmenter)
    path = tmp_path / "eye.mp4"
    with_masks = frames_of(tmp_path, run_dir, "a", spread=4, uncertain=2)
    options = RunOptions(overlay=False, metrics=True)
    measured = Path(run_source(path, tmp_path / "measured", segmenter, options).folder)
    without = frames_of(tmp_path, measured, "b", spread=4, uncertain=2)
    assert without.keys() == with_masks.keys()
    for name, found in without.items():
        assert np.array_equal(found[..., :3], with_masks[name][..., :3])
        assert iou(found[..., 3].copy(), with_masks[name][..., 3].copy()) > 0.99
    only_overlay = Path(run_source(path, tmp_path / "overlay", segmenter, RunOptions()).folder)
    notes: list[str] = []
    with Project(tmp_path / "c") as project:
        prepare(project, [only_overlay], spread=3, uncertain=2, on_note=notes.append)
        assert "nothing was measured" in notes[0]
        times = [frame.time_s for frame in project.frames]
        assert times == pytest.approx([0, 0.28, 0.56, 0.84, 1.16], abs=0.021)
        frames = [frame.to_ndarray(format="bgr24") for _, frame in read_video(path)]
        for frame in project.frames:
            image = cv2.imread(str(project.image(frame)))
            assert np.array_equal(image, frames[round(25 * frame.time_s)])


@pytest.mark.parametrize("size", ["64x96", (64, 96)])
def test_runs_are_segmented_again_with_their_settings(tmp_path: Path, size: Any) -> None:
    torch.save(network(classes=3).state_dict(), tmp_path / "w.pth")
    path = write_video(tmp_path / "eye.mp4", [picture(index) for index in range(3)])
    made = Segmenter(
        tmp_path / "w.pth", threshold=0.3, raw=True, input_size=size,
        input_normalization="1, 2,3/40,50,60", class_index="2:sigmoid",
    )  # fmt: skip
    options = RunOptions(overlay=False, metrics=True)
    run = run_frames.RunFrames(Path(run_source(path, tmp_path / "out", made, options).folder))
    again = run.segmenter
    assert (again.raw, again.threshold) == (True, 0.3)
    assert again.checkpoint.spec == made.checkpoint.spec
    for choice, (frame, mask) in zip(chosen := run.choose(3, 0), run.frames(chosen), strict=True):
        assert choice.time_s == pytest.approx(frame.time_s, abs=0.001)
        assert np.array_equal(mask, made(frame).mask)


def test_weights_that_are_gone(tmp_path: Path, tiny_checkpoint: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "eye.mp4", [picture(index) for index in range(3)])
    run = Path(run_source(path, tmp_path / "out", segmenter, RunOptions()).folder)
    content = json.loads((run / "run.json").read_text())
    content["checkpoint"]["file"] = str(tmp_path / "gone.pth")
    (run / "run.json").write_text(json.dumps(content))
    with (
        Project(tmp_path / "a") as project,
        pytest.raises(CheckpointError, match=r"gone\.pth: put"),
    ):
        prepare(project, [run])


def test_folders_of_images_and_folders_of_runs(tmp_path: Path, segmenter: Segmenter) -> None:
    stills = tmp_path / "stills"
    stills.mkdir()
    for index in range(6):
        cv2.imwrite(str(stills / f"{index}.png"), picture(index)[..., ::-1])
    cv2.imwrite(str(tmp_path / "one.png"), picture(3)[..., ::-1])
    video = write_video(tmp_path / "eye.mp4", [picture(index) for index in range(4)])
    for source in (stills, video, tmp_path / "one.png"):
        run_source(source, tmp_path / "out", segmenter, TABLES)
    with Project(tmp_path / "a") as project:
        prepare(project, [tmp_path / "out"], spread=3, uncertain=0)
        found = {frame.name: cv2.imread(str(project.image(frame))) for frame in project.frames}
        cases = {frame.case for frame in project.frames}
        for index in range(len(project.frames)):
            save(project, index, ELLIPSE)
    assert cases == {"case_stills", "case_eye", "case_one"}
    assert {name for name in found if "stills" in name} == {f"stills_{i:06d}" for i in (0, 2, 5)}
    assert np.array_equal(found["stills_000005"], picture(5)[..., ::-1])
    assert np.array_equal(found["one_000000"], picture(3)[..., ::-1])
