"""Corrections: outlines to masks, kept on disk so that nothing is lost, and back into training."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from conftest import disc, read_video, write_video
from typer.testing import CliRunner
from waiting import PATIENCE_S

from cornea_stream.cli import app
from cornea_stream.cli.correct import train_command
from cornea_stream.errors import CheckpointError, OutputError, SourceError, UsageError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.postprocess.mask import iou
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_train import run_frames
from cornea_train.correct.editor import Editor
from cornea_train.correct.outline import (
    BadOutlineError,
    Ellipse,
    NoCornea,
    Outline,
    Polygon,
    filled,
    from_json,
    outline_of,
    to_json,
)
from cornea_train.correct.prepare import prepare
from cornea_train.correct.project import WORK, ChangedError, Project
from cornea_train.dataset import load_pair
from cornea_train.formats import DataOptions, find_pairs
from cornea_train.supervisely import annotation

SIZE = (120, 160)
TABLES = RunOptions(overlay=False, mask=True, metrics=True)
DARK = range(12, 16)
ELLIPSE = Ellipse(80.5, 60.25, 40, 30, 20)


def picture(index: int) -> np.ndarray:
    """A disc that walks; nothing in the frames of DARK."""
    if index in DARK:
        return np.full((*SIZE, 3), 30, np.uint8)
    return disc(160, 120, 50 + 2 * index, 60, 28)[0]


@pytest.fixture
def run_dir(tmp_path: Path, segmenter: Segmenter) -> Path:
    path = write_video(tmp_path / "eye.mp4", [picture(index) for index in range(30)])
    return Path(run_source(path, tmp_path / "out", segmenter, TABLES).folder)


@pytest.fixture
def project(run_dir: Path, tmp_path: Path) -> Iterator[Project]:
    with Project(tmp_path / "corrected") as opened:
        prepare(opened, [run_dir], spread=3, uncertain=2)
        yield opened


def save(project: Project, index: int, outline: Outline, *, done: bool = True) -> None:
    frame = project.frames[index]
    project.save(frame, outline, done=done, revision=project.state(frame).revision)


def by_definition(ellipse: Ellipse, size: tuple[int, int]) -> np.ndarray:
    """The pixels whose centers are inside, by the distances from the two foci."""
    axis = np.radians(ellipse.angle_deg)
    focus = np.sqrt(ellipse.a**2 - ellipse.b**2) * np.array([np.cos(axis), np.sin(axis)])
    rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
    ways = [
        np.hypot(columns - ellipse.x - s * focus[0], rows - ellipse.y - s * focus[1])
        for s in (-1, 1)
    ]
    return np.where(sum(ways) <= 2 * ellipse.a, 255, 0)


def test_the_pixels_of_an_ellipse() -> None:
    for x, y in ((80.5, 60.25), (5, 118), (-20, 60)):
        ellipse = replace(ELLIPSE, x=x, y=y)
        assert np.array_equal(ellipse.mask(SIZE), by_definition(ellipse, SIZE))


def test_the_pixels_of_a_polygon() -> None:
    square = Polygon(((2.4, 3.6), (9.4, 3.6), (9.4, 7.5), (2.4, 7.5)))
    expected = np.zeros((12, 12), np.uint8)
    expected[4:7, 2:9] = 255
    assert np.array_equal(square.mask((12, 12)), expected)
    beyond = Polygon(((-50, -50), (500, -50), (500, 6), (-50, 6)))
    assert np.array_equal(np.flatnonzero(beyond.mask((12, 12)).all(axis=1)), np.arange(6))
    angles = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    ring = Polygon(tuple(zip(80 + 40 * np.cos(angles), 60 + 40 * np.sin(angles), strict=True)))
    assert np.count_nonzero(ring.mask(SIZE) != Ellipse(80, 60, 40, 40, 0).mask(SIZE)) < 10


@pytest.mark.parametrize(
    "ellipse", [ELLIPSE, replace(ELLIPSE, angle_deg=110), Ellipse(10, 60, 40, 38, 0)]
)
def test_the_outline_of_a_mask_covers_it(ellipse: Ellipse) -> None:
    found = outline_of(ellipse.mask(SIZE))
    assert isinstance(found, Ellipse)
    assert -45 <= found.angle_deg <= 45
    assert iou(found.mask(SIZE), ellipse.mask(SIZE)) > 0.98


def test_masks_that_are_no_ellipse_become_polygons() -> None:
    mask = np.zeros(SIZE, np.uint8)
    mask[20:100, 30:50] = mask[80:100, 30:120] = 255
    found = outline_of(mask)
    assert isinstance(found, Polygon)
    assert iou(found.mask(SIZE), mask) > 0.97
    assert outline_of(np.zeros(SIZE, np.uint8)) == NoCornea()


@pytest.mark.parametrize(
    "outline", [ELLIPSE, NoCornea(), Polygon(((1.0, 2.0), (50.0, 9.5), (7.0, 80.0)))]
)
def test_outlines_as_json(outline: Outline) -> None:
    assert from_json(json.loads(json.dumps(to_json(outline))), SIZE) == outline


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "malformed"),
        ({"kind": "circle"}, "kind is unknown"),
        ({"kind": "ellipse", "x": 1, "y": 1, "a": 5, "b": 5}, "angle_deg"),
        ({"kind": "ellipse", "x": 1, "y": 1, "a": 5, "b": 0.5, "angle_deg": 0}, "too small"),
        ({"kind": "ellipse", "x": 1, "y": float("nan"), "a": 5, "b": 5, "angle_deg": 0}, "range"),
        ({"kind": "ellipse", "x": 1e9, "y": 1, "a": 5, "b": 5, "angle_deg": 0}, "range"),
        ({"kind": "ellipse", "x": "1", "y": 1, "a": 5, "b": 5, "angle_deg": 0}, "range"),
        ({"kind": "polygon", "points": [[1, 1], [2, 2]]}, "3 to 1000 points"),
        ({"kind": "polygon", "points": [[1, 1]] * 1001}, "3 to 1000 points"),
        ({"kind": "polygon", "points": [[1, 1], [2, 2], [3]]}, "malformed"),
        ({"kind": "polygon", "points": 5}, "malformed"),
    ],
)  # fmt: skip
def test_outlines_that_are_none(content: Any, why: str) -> None:
    with pytest.raises(BadOutlineError, match=why):
        from_json(content, SIZE)


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


def test_the_least_certain_come_first(project: Project) -> None:
    reasons = [frame.reason for frame in project.frames]
    assert reasons[0].startswith(("cornea", "agreement", "confidence"))
    assert reasons[-2:] == ["evenly spread"] * 2
    assert {frame.name for frame in project.frames} >= {"eye_000000", "eye_000029"}


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
    assert iou(state.outline.mask(SIZE), corrected) > 0.98
    path.write_text(json.dumps({**annotation(corrected), "objects": []}))
    state = project.state(frame)
    assert (state.done, state.outline) == (False, frame.proposal)
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


@pytest.fixture
def editor(project: Project) -> Iterator[Editor]:
    with Editor(project, next_step=lambda: "the command") as served:
        yield served


def ask(
    editor: Editor, what: str, content: object = None, **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    parts = urlsplit(editor.address)
    with closing(http.client.HTTPConnection("127.0.0.1", parts.port, timeout=PATIENCE_S)) as line:
        body = None if content is None else json.dumps(content)
        line.request("PUT" if body else "GET", parts.path + what, body, headers)
        reply = line.getresponse()
        return reply.status, reply.headers, reply.read()


def put(editor: Editor, index: int, content: object, revision: str) -> tuple[int, Any]:
    status, _, body = ask(editor, f"frames/{index}", content, **{"If-Match": f'"{revision}"'})
    return status, json.loads(body)


def test_frames_and_images_over_http(editor: Editor, project: Project) -> None:
    overview = json.loads(ask(editor, "frames")[2])
    assert overview["next_step"] == "the command"
    assert [frame["name"] for frame in overview["frames"]] == [f.name for f in project.frames]
    status, headers, png = ask(editor, "frames/1/image")
    assert (status, headers["Content-Type"], headers["Cache-Control"]) == (
        200,
        "image/png",
        "no-store",
    )
    assert png == project.image(project.frames[1]).read_bytes()
    state = json.loads(ask(editor, "frames/1")[2])
    assert (state["width"], state["height"], state["done"]) == (160, 120, False)
    for wrong in (
        "frames/99",
        "frames/-1",
        "frames/1/../../x",
        "frames/1/ann",
        "x",
        "..%2f",
        "frames/%31",
    ):
        assert ask(editor, wrong)[0] == 404, wrong


def test_saving_over_http(
    editor: Editor, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {"outline": to_json(ELLIPSE), "done": True}
    status, state = put(editor, 0, kept, "new")
    assert (status, state["done"], state["outline"]) == (200, True, to_json(ELLIPSE))
    status, theirs = put(editor, 0, {**kept, "outline": {"kind": "none"}}, "new")
    assert (status, theirs) == (412, state)
    assert ask(editor, "frames/0", kept)[0] == 412  # without saying what was changed
    for content in ([], {"outline": to_json(ELLIPSE)}, {"done": True}, 5):
        assert put(editor, 1, content, "new")[0] in (400, 422)
    crossed = Polygon(((10, 10), (60, 60), (60, 10), (10, 60)))
    status, told = put(editor, 1, {"outline": to_json(crossed), "done": True}, "new")
    assert (status, told["message"]) == (422, "the outline crosses itself: move its points apart")
    assert ask(editor, "frames/1", "x" * 2**18)[0] == 413
    assert ask(editor, "frames/1/image", kept)[0] == 404
    shutil.rmtree(project.root / "case_eye" / "ann")
    (project.root / "case_eye" / "ann").write_text("in the way")
    status, told = put(editor, 1, kept, "new")
    assert status == 507
    assert "cannot write output" in told["message"]


def test_the_page_loads_nothing_from_elsewhere(editor: Editor) -> None:
    status, headers, page = ask(editor, "")
    assert status == 200
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; connect-src 'self'; img-src data: blob:;")
    assert "unsafe" not in policy
    assert b"{{" not in page
    assert not re.search(rb"(src|href)=\"(?!data:)", page)
    assert ask(editor, "", Host="evil.example")[0] == 403


def correct_in_a_process(run_dir: Path, folder: Path) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "cornea_stream", "correct", str(run_dir), "-o", str(folder)]
    process = subprocess.Popen(
        [*command, "--spread", "3", "--uncertain", "2"], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    line = process.stderr.readline()
    return process, line


def test_the_command_to_its_end(run_dir: Path, tmp_path: Path) -> None:
    process, line = correct_in_a_process(run_dir, tmp_path / "my corrections")
    assert re.match(r"0 of 5 frames done\. Correct at http://127\.0\.0\.1:\d+/\S{20,}/\n", line)
    address = urlsplit(line.split()[-1])
    with closing(
        http.client.HTTPConnection("127.0.0.1", address.port, timeout=PATIENCE_S)
    ) as http_line:
        body = json.dumps({"outline": to_json(ELLIPSE), "done": True})
        http_line.request("PUT", address.path + "frames/0", body, {"If-Match": '"new"'})
        assert http_line.getresponse().read()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (0, "")
    first, second = out.splitlines()
    assert first.endswith("my corrections: 1 of 5 frames done")
    weights = json.loads((run_dir / "run.json").read_text())["checkpoint"]["file"]
    assert second == (
        f"Next: cornea-stream train --data-dir '{tmp_path / 'my corrections'}' --init {weights} "
        f"--output-dir '{tmp_path / 'my corrections_weights'}'"
    )


def test_mistakes_are_told(tmp_path: Path, run_dir: Path) -> None:
    def tell(*arguments: object) -> BaseException | None:
        return (
            CliRunner()
            .invoke(app, ["correct", *map(str, arguments), "-o", str(tmp_path / "x")])
            .exception
        )

    edited = CliRunner().invoke(app, ["annotate", str(run_dir), "--edit", "--polygons"])
    assert "without --polygons" in str(edited.exception)
    assert "no such folder" in str(tell(tmp_path / "y"))
    (tmp_path / "eye.mp4").unlink()
    assert "source of the run is missing" in str(tell(run_dir))
    assert "spread must be 0 or more" in str(tell(run_dir, "--spread", -1))
    assert not (tmp_path / "x").exists()


def test_annotate_edit_is_the_same_page(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Editor, "wait", lambda editor: None)
    done = CliRunner().invoke(app, ["annotate", str(run_dir), "--edit", "-o", str(tmp_path / "a")])
    assert done.exit_code == 0, done.exception
    assert "Correct at http://127.0.0.1:" in done.output
    assert "frames done" in done.output
    with Project(tmp_path / "a") as project:
        assert len(project.frames) == 20
