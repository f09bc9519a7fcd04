"""Many sources: none stops the others, and summary.csv tells what came of each."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import moving_discs, write_video

from cornea_stream.batch import task
from cornea_stream.batch.run_batch import run_units
from cornea_stream.batch.summary_csv import Summary
from cornea_stream.batch.task import Here, Setup, Step, Unit
from cornea_stream.errors import OutputError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.runs.options import RunOptions, RunResult


@pytest.fixture
def setup(tiny_checkpoint: Path) -> Setup:
    return Setup(tiny_checkpoint, device="cpu", backend="torch")


@pytest.fixture
def units(tmp_path: Path) -> list[Unit]:
    paths = [write_video(tmp_path / f"{name}.mp4", moving_discs(4)) for name in "abcd"]
    return [Unit(path, tmp_path / "out" / path.stem, RunOptions()) for path in paths]


def run(
    units: Sequence[Unit],
    setup: Setup,
    *,
    stop: threading.Event | None = None,
    on_step: Callable[[Step], None] = lambda step: None,
) -> tuple[dict[str, RunResult], int, list[dict[str, str]]]:
    """Return the results by folder, the exit code, and the rows of summary.csv."""
    folder = units[0].folder.parent
    results, code = run_units(
        units, Here(setup), setup.mask_settings(),
        stop=stop or threading.Event(), on_step=on_step,
        on_result=lambda unit, result: None, summary=Summary(folder, units),
    )  # fmt: skip
    return {Path(result.folder).name: result for result in results}, code, rows(folder)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "summary.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_summary_has_a_row_per_source(units: list[Unit], setup: Setup) -> None:
    units[1].source.write_bytes(b"x" * 3000)
    results, code, found = run(units, setup)
    assert code == 6
    assert list(found[0]) == ["source", "folder", "status", "frames", "seconds", "fps", "reason"]
    assert [row["source"] for row in found] == [str(unit.source) for unit in units]
    assert [row["status"] for row in found] == ["complete", "failed", "complete", "complete"]
    assert [row["frames"] for row in found] == ["4", "0", "4", "4"]
    assert found[1]["reason"] == results["b"].error
    assert "not a readable video" in found[1]["reason"]
    for row in (found[0], found[2], found[3]):
        assert row["folder"] == str(next(u.folder for u in units if str(u.source) == row["source"]))
        result = results[Path(row["folder"]).name]
        assert row["seconds"] == f"{result.seconds:.2f}"
        assert row["fps"] == f"{4 / result.seconds:.2f}"


def test_resume_opens_nothing_and_loads_nothing_for_what_is_complete(
    units: list[Unit], setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = [replace(unit, options=RunOptions(resume=True)) for unit in units]
    first = run(units, setup)[2]
    monkeypatch.setattr(Setup, "build", lambda setup: pytest.fail("loads the network"))
    monkeypatch.setattr(
        "cornea_stream.runs.run.open_source", lambda *_, **__: pytest.fail("opens it")
    )
    results, code, found = run(units, setup)
    assert code == 0
    assert {result.status for result in results.values()} == {"skipped"}
    assert [row["frames"] for row in found] == [row["frames"] for row in first] == ["4"] * 4
    told = [json.loads((unit.folder / "run.json").read_text())["seconds"] for unit in units]
    assert [row["seconds"] for row in found] == [f"{seconds:.2f}" for seconds in told]


def test_resume_redoes_what_changed_in_input_settings_or_weights(
    units: list[Unit], setup: Setup, tmp_path: Path
) -> None:
    units = [replace(unit, options=RunOptions(resume=True)) for unit in units]
    run(units, setup)
    write_video(units[2].source, moving_discs(3))
    results, _, _ = run(units, setup)
    assert [results[n].status for n in "abcd"] == ["skipped", "skipped", "complete", "skipped"]
    for changed in (replace(setup, threshold=0.4), replace(setup, precision="fp32")):
        assert {result.status for result in run(units, changed)[0].values()} == {"complete"}
    assert setup.checkpoint is not None
    other = tmp_path / "other.safetensors"
    other.write_bytes(setup.checkpoint.read_bytes())
    same = replace(setup, precision="fp32", checkpoint=other)
    assert {result.status for result in run(units, same)[0].values()} == {"skipped"}


def test_an_unexpected_exception_is_that_source_s_failure(
    units: list[Unit], setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = task.run_into

    def shaky(path: Path, *more: object, **options: object) -> RunResult:
        if path.stem == "c":
            raise ZeroDivisionError("a bug")
        return honest(path, *more, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(task, "run_into", shaky)
    results, code, found = run(units, setup)
    assert code == 6
    assert [row["status"] for row in found] == ["complete", "complete", "failed", "complete"]
    assert "c.mp4: internal error: ZeroDivisionError: a bug" in found[2]["reason"]
    assert "in shaky" in (results["c"].traceback or "")


def test_when_all_fail_the_code_is_that_of_the_failure(units: list[Unit], setup: Setup) -> None:
    for unit in units:
        unit.folder.mkdir(parents=True)
        (unit.folder / "overlay.mp4").write_text("precious")
    _, code, found = run(units, setup)
    assert code == 5
    assert all("output exists" in row["reason"] for row in found)
    assert all((unit.folder / "overlay.mp4").read_text() == "precious" for unit in units)


def test_stopping_tells_what_is_left(units: list[Unit], setup: Setup) -> None:
    write_video(units[1].source, moving_discs(30) * 10)
    stop = threading.Event()

    def on_step(step: Step) -> None:
        if step.unit is units[1] and step.progress and step.progress.frames == 10:
            stop.set()

    _, code, found = run(units, setup, stop=stop, on_step=on_step)
    assert code == 130
    assert [row["status"] for row in found] == ["complete", "interrupted", "not done", "not done"]
    assert 10 <= int(found[1]["frames"]) < 300


def test_giving_up_leaves_a_summary_too(units: list[Unit], setup: Setup) -> None:
    def on_step(step: Step) -> None:
        if step.unit is units[2]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(units, setup, on_step=on_step)
    statuses = [row["status"] for row in rows(units[0].folder.parent)]
    assert statuses == ["complete", "complete", "not done", "not done"]


def test_a_summary_that_cannot_be_written_for_a_moment_stops_nothing(
    units: list[Unit], setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, content: bytes) -> None:
        monkeypatch.undo()
        raise OutputError(f"cannot write output: {path}: no space left: free some")

    monkeypatch.setattr("cornea_stream.batch.summary_csv.write_file", fail)
    _, code, found = run(units, setup)
    assert code == 0
    assert [row["status"] for row in found] == ["complete"] * len(units)


def test_a_file_of_the_user_s_is_no_summary(tmp_path: Path, units: list[Unit]) -> None:
    (tmp_path / "summary.csv").write_text("my,own,notes\n")
    with pytest.raises(OutputError, match="not a summary of this program"):
        Summary(tmp_path, units)
    assert (tmp_path / "summary.csv").read_text() == "my,own,notes\n"


def test_the_setup_says_what_its_segmenter_would(setup: Setup) -> None:
    for one in (setup, replace(setup, threshold=0.3, raw=True, smooth=True, precision="fp32")):
        made = one.build()
        assert isinstance(made, Segmenter)
        assert made.mask_settings == one.mask_settings()
