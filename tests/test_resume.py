"""Outputs that stand already: never overwritten unasked, resumed, or found finished."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import moving_discs, read_video, write_video

from cornea_stream.errors import OutputError, SourceError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.inference.stages import SegmenterStages
from cornea_stream.report import write_report
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.plan import plan_run
from cornea_stream.runs.result import RunResult
from cornea_stream.runs.run import run_plan, run_source

EVERYTHING = RunOptions(mask=True, frames=True, metrics=True)


def run(
    path: Path, segmenter: Segmenter, options: RunOptions = EVERYTHING
) -> tuple[RunResult, Path]:
    result = run_source(path, path.parent / "out", segmenter, options)
    return result, Path(result.folder)


def test_nothing_is_overwritten_unless_asked(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(3))
    out = tmp_path / "out" / "v"
    out.mkdir(parents=True)
    (out / "overlay.mp4").write_text("precious")
    with pytest.raises(OutputError, match=r"output exists: .*overlay\.mp4: pass overwrite=True"):
        run(path, segmenter)
    assert (out / "overlay.mp4").read_text() == "precious"
    assert [p.name for p in out.iterdir()] == ["overlay.mp4"]
    (out / "frames").mkdir()
    (out / "frames" / "mine.png").write_text("mine")
    (out / "frames" / "000077_mask.png").write_text("from an older run")
    run(path, segmenter, RunOptions(frames=True, overwrite=True))
    assert len(read_video(out / "overlay.mp4")) == 3
    assert (out / "frames" / "mine.png").read_text() == "mine"
    assert not (out / "frames" / "000077_mask.png").exists()


def test_the_input_is_never_the_output(tmp_path: Path, segmenter: Segmenter) -> None:
    folder = tmp_path / "overlay"
    folder.mkdir()
    path = write_video(folder / "overlay.mp4", moving_discs(3))
    before = path.read_bytes()
    with pytest.raises(OutputError, match="would replace the input"):
        run_source(path, tmp_path, segmenter, RunOptions(overwrite=True))
    assert path.read_bytes() == before


def test_a_failure_leaves_earlier_outputs_and_no_new_ones(
    tmp_path: Path, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(6))
    run(path, segmenter, RunOptions(mask=True))
    out = tmp_path / "out" / "v"
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    calls = 0

    finish = SegmenterStages.finish

    def fail(stages: SegmenterStages, prediction: Any) -> object:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise SourceError("broken here")
        return finish(stages, prediction)

    monkeypatch.setattr(SegmenterStages, "finish", fail)
    with pytest.raises(SourceError, match="broken here"):
        run(path, segmenter, RunOptions(mask=True, overwrite=True))
    after = {p.name: p.read_bytes() for p in out.iterdir() if ".part" not in p.name}
    assert after == before
    assert run(path, segmenter, RunOptions(mask=True, resume=True))[0].status == "skipped"


def test_a_run_cut_off_while_it_replaced_another_is_neither(
    tmp_path: Path, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(6))
    options = RunOptions(metrics=True)
    run(path, segmenter, options)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("cornea_stream.runs.run.write_run", killed)  # run.json, the last of all
        with pytest.raises(KeyboardInterrupt):
            run(path, segmenter, replace(options, opacity=1.0, overwrite=True))
    with pytest.raises(SourceError, match="outputs of two runs are mixed"):
        write_report(tmp_path / "out" / "v")
    assert run(path, segmenter, replace(options, resume=True))[0].status == "complete"
    write_report(tmp_path / "out" / "v")


def test_outputs_of_an_interrupted_run_are_named_so(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(30))
    stop = threading.Event()
    run_source(path, tmp_path, segmenter, stop=stop, on_progress=lambda progress: stop.set())
    with pytest.raises(OutputError, match=r"output exists, of an interrupted run: .*resume=True"):
        run_source(path, tmp_path, segmenter)
    run_source(path, tmp_path, segmenter, RunOptions(overwrite=True))
    with pytest.raises(OutputError, match="output exists: "):
        run_source(path, tmp_path, segmenter)


def test_resume_skips_what_is_complete_and_redoes_what_changed(
    tmp_path: Path, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(6))
    options = RunOptions(mask=True, resume=True)
    assert run(path, segmenter, options)[0].status == "complete"
    out = tmp_path / "out" / "v"
    before = {p.name: p.stat().st_mtime_ns for p in out.iterdir()}
    result, _ = run(path, segmenter, options)
    assert result.status == "skipped"
    assert {p.name: p.stat().st_mtime_ns for p in out.iterdir()} == before
    assert run(path, segmenter, replace(options, opacity=0.3))[0].status == "complete"
    (out / "mask.mkv").unlink()
    assert run(path, segmenter, replace(options, opacity=0.3))[0].status == "complete"
    write_video(path, moving_discs(4))
    result, _ = run(path, segmenter, replace(options, opacity=0.3))
    assert (result.status, result.frames) == ("complete", 4)
    assert len(read_video(out / "mask.mkv")) == 4


def test_resume_does_not_touch_what_no_run_made(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(3))
    out = tmp_path / "out" / "v"
    out.mkdir(parents=True)
    (out / "overlay.mp4").write_text("precious")
    with pytest.raises(OutputError, match="output exists"):
        run(path, segmenter, RunOptions(resume=True))
    assert (out / "overlay.mp4").read_text() == "precious"


def test_resume_replaces_nothing_beside_another_tools_run_json(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(3))
    out = tmp_path / "out" / "v"
    out.mkdir(parents=True)
    (out / "run.json").write_text('{"status": "complete", "steps": 3}')
    (out / "overlay.mp4").write_text("precious")
    with pytest.raises(OutputError, match="output exists"):
        run(path, segmenter, RunOptions(resume=True))
    assert (out / "overlay.mp4").read_text() == "precious"
    assert json.loads((out / "run.json").read_text())["steps"] == 3


def test_resume_keeps_what_other_ways_of_reading_would_not_change(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(6))
    options = RunOptions(resume=True)
    run(path, segmenter, options)
    for same in (
        replace(options, strict=True),
        replace(options, max_megapixels=2),
    ):
        assert run(path, segmenter, same)[0].status == "skipped"


def test_strict_does_not_accept_an_earlier_run_that_met_damage(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(6))
    folder = Path(run(path, segmenter, RunOptions())[0].folder)
    told = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(told | {"damaged_s": [[0.1, 0.2]]}))
    assert run(path, segmenter, RunOptions(resume=True))[0].status == "skipped"
    assert run(path, segmenter, RunOptions(resume=True, strict=True))[0].status == "complete"


def test_outputs_that_appear_between_plan_and_run_are_not_replaced(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(3))
    folder = tmp_path / "out"
    plan = plan_run(path, folder, RunOptions(), segmenter.mask_settings)
    folder.mkdir()
    (folder / "overlay.mp4").write_text("precious")
    with pytest.raises(OutputError, match="outputs have changed since the run was planned"):
        run_plan(plan, segmenter)
    assert (folder / "overlay.mp4").read_text() == "precious"
