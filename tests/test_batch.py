"""Many sources: none stops the others, and summary.csv tells what came of each."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import moving_discs, write_video

from cornea_stream.batch import task
from cornea_stream.batch.discover import PassedOver
from cornea_stream.batch.run_batch import run_batch
from cornea_stream.batch.setup import Setup
from cornea_stream.batch.summary_csv import Summary
from cornea_stream.batch.task import Here, SourceTask, Step, plan_source
from cornea_stream.errors import OutputError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.plan import RunPlan
from cornea_stream.runs.result import RunResult


@pytest.fixture
def setup(tiny_checkpoint: Path) -> Setup:
    return Setup(tiny_checkpoint, device="cpu", backend="torch")


@pytest.fixture
def tasks(tmp_path: Path, setup: Setup) -> list[SourceTask]:
    paths = [write_video(tmp_path / f"{name}.mp4", moving_discs(4)) for name in "abcd"]
    masks = setup.mask_settings()
    return [plan_source(p, tmp_path / "out" / p.stem, RunOptions(), masks) for p in paths]


def run(
    tasks: Sequence[SourceTask],
    setup: Setup,
    *,
    stop: threading.Event | None = None,
    on_step: Callable[[Step], None] = lambda step: None,
) -> tuple[dict[str, RunResult], int, list[dict[str, str]]]:
    """Plan and run; return the results by folder, the exit code, and the rows of summary.csv."""
    folder = tasks[0].folder.parent
    masks = setup.mask_settings()
    tasks = [plan_source(t.source, t.folder, t.options, masks) for t in tasks]
    results, code = run_batch(
        tasks, Here(setup),
        stop=stop or threading.Event(), on_step=on_step,
        on_result=lambda task, result: None, summary=Summary(folder, tasks),
    )  # fmt: skip
    return {Path(result.folder).name: result for result in results}, code, rows(folder)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "summary.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_summary_has_a_row_per_source(tasks: list[SourceTask], setup: Setup) -> None:
    tasks[1].source.write_bytes(b"x" * 3000)
    results, code, found = run(tasks, setup)
    assert code == 6
    assert list(found[0]) == ["source", "folder", "status", "frames", "seconds", "fps", "reason"]
    assert [row["source"] for row in found] == [str(task.source) for task in tasks]
    assert [row["status"] for row in found] == ["complete", "failed", "complete", "complete"]
    assert [row["frames"] for row in found] == ["4", "0", "4", "4"]
    assert found[1]["reason"] == results["b"].error
    assert "not a readable video" in found[1]["reason"]
    for row in (found[0], found[2], found[3]):
        assert row["folder"] == str(next(u.folder for u in tasks if str(u.source) == row["source"]))
        result = results[Path(row["folder"]).name]
        assert row["seconds"] == f"{result.seconds:.2f}"
        assert row["fps"] == f"{4 / result.seconds:.2f}"


def test_resume_opens_nothing_and_loads_nothing_for_what_is_complete(
    tasks: list[SourceTask], setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [replace(task, options=RunOptions(resume=True)) for task in tasks]
    first = run(tasks, setup)[2]
    monkeypatch.setattr(Setup, "build", lambda setup: pytest.fail("loads the network"))
    monkeypatch.setattr(
        "cornea_stream.runs.run.open_reading", lambda *_, **__: pytest.fail("opens it")
    )
    results, code, found = run(tasks, setup)
    assert code == 0
    assert {result.status for result in results.values()} == {"skipped"}
    assert [row["frames"] for row in found] == [row["frames"] for row in first] == ["4"] * 4
    told = [json.loads((task.folder / "run.json").read_text())["seconds"] for task in tasks]
    assert [row["seconds"] for row in found] == [f"{seconds:.2f}" for seconds in told]


def test_resume_redoes_what_changed_in_input_settings_or_weights(
    tasks: list[SourceTask], setup: Setup, tmp_path: Path
) -> None:
    tasks = [replace(task, options=RunOptions(resume=True)) for task in tasks]
    run(tasks, setup)
    write_video(tasks[2].source, moving_discs(3))
    results, _, _ = run(tasks, setup)
    assert [results[n].status for n in "abcd"] == ["skipped", "skipped", "complete", "skipped"]
    for changed in (replace(setup, threshold=0.4), replace(setup, precision="fp32")):
        assert {result.status for result in run(tasks, changed)[0].values()} == {"complete"}
    assert setup.checkpoint is not None
    other = tmp_path / "other.safetensors"
    other.write_bytes(setup.checkpoint.read_bytes())
    same = replace(setup, precision="fp32", checkpoint=other)
    assert {result.status for result in run(tasks, same)[0].values()} == {"skipped"}


def test_an_unexpected_exception_is_that_source_s_failure(
    tasks: list[SourceTask], setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = task.run_plan

    def shaky(plan: RunPlan, *more: object, **options: object) -> RunResult:
        if plan.folder.name == "c":
            raise ZeroDivisionError("a bug")
        return honest(plan, *more, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(task, "run_plan", shaky)
    results, code, found = run(tasks, setup)
    assert code == 6
    assert [row["status"] for row in found] == ["complete", "complete", "failed", "complete"]
    assert "c.mp4: internal error: ZeroDivisionError: a bug" in found[2]["reason"]
    assert "in shaky" in (results["c"].traceback or "")


def test_when_all_fail_the_code_is_that_of_the_failure(
    tasks: list[SourceTask], setup: Setup
) -> None:
    for one in tasks:
        one.folder.mkdir(parents=True)
        (one.folder / "overlay.mp4").write_text("precious")
    _, code, found = run(tasks, setup)
    assert code == 5
    assert all("output exists" in row["reason"] for row in found)
    assert all((task.folder / "overlay.mp4").read_text() == "precious" for task in tasks)


def test_stopping_tells_what_is_left(tasks: list[SourceTask], setup: Setup) -> None:
    write_video(tasks[1].source, moving_discs(30) * 10)
    stop = threading.Event()

    def on_step(step: Step) -> None:
        if step.task.folder == tasks[1].folder and step.progress and step.progress.frames == 10:
            stop.set()

    _, code, found = run(tasks, setup, stop=stop, on_step=on_step)
    assert code == 130
    assert [row["status"] for row in found] == ["complete", "interrupted", "not done", "not done"]
    assert 10 <= int(found[1]["frames"]) < 300


def test_giving_up_leaves_a_summary_too(tasks: list[SourceTask], setup: Setup) -> None:
    def on_step(step: Step) -> None:
        if step.task.folder == tasks[2].folder:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tasks, setup, on_step=on_step)
    statuses = [row["status"] for row in rows(tasks[0].folder.parent)]
    assert statuses == ["complete", "complete", "not done", "not done"]


def test_a_summary_that_cannot_be_written_for_a_moment_stops_nothing(
    tasks: list[SourceTask], setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, content: bytes) -> None:
        monkeypatch.undo()
        raise OutputError(f"cannot write output: {path}: no space left: free some")

    monkeypatch.setattr("cornea_stream.batch.summary_csv.write_file", fail)
    _, code, found = run(tasks, setup)
    assert code == 0
    assert [row["status"] for row in found] == ["complete"] * len(tasks)


def test_a_file_of_the_user_s_is_no_summary(tmp_path: Path, tasks: list[SourceTask]) -> None:
    (tmp_path / "summary.csv").write_text("my,own,notes\n")
    with pytest.raises(OutputError, match="not a summary"):
        Summary(tmp_path, tasks)
    assert (tmp_path / "summary.csv").read_text() == "my,own,notes\n"


def test_the_setup_says_what_its_segmenter_would(setup: Setup) -> None:
    for one in (setup, replace(setup, threshold=0.3, raw=True, smooth=True, precision="fp32")):
        made = one.build()
        assert isinstance(made, Segmenter)
        assert made.mask_settings == one.mask_settings()


def test_a_stop_after_the_last_result_changes_nothing(
    tasks: list[SourceTask], setup: Setup
) -> None:
    stop = threading.Event()
    stopping = Here(setup)

    def run_then_stop(*arguments: Any, **more: Any) -> Any:
        yield from Here(setup).run(*arguments, **more)
        stop.set()  # Ctrl-C while the last result is shown

    stopping.run = run_then_stop  # type: ignore[method-assign]
    results, code = run_batch(
        tasks, stopping, stop=stop, on_step=lambda step: None, on_result=lambda task, result: None
    )
    assert [result.status for result in results] == ["complete"] * 4
    assert code == 0


def test_the_summary_lists_what_was_passed_over(tasks: list[SourceTask], tmp_path: Path) -> None:
    note = PassedOver(tmp_path, "files of other types", "3 .txt", "to process one, name it")
    Summary(tmp_path, tasks, [note]).write({}, last=True)
    last = rows(tmp_path)[-1]
    assert (last["source"], last["status"]) == (str(tmp_path), "passed over")
    assert "3 .txt" in last["reason"]
