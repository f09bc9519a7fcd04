"""Segmented runs that are stopped, interrupted while joining, or taken up again."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chunks_compared import (
    EVERYTHING,
    OPEN_GOP,
    X264,
    Given,
    assert_equal,
    damage,
    eyes,
    in_chunks,
    segments_of,
)
from conftest import write_video

from cornea_stream import storage
from cornea_stream.batch.run_batch import run_batch
from cornea_stream.batch.task import Here, Step, plan_source
from cornea_stream.chunks import join_parts
from cornea_stream.chunks.executor import ChunkingExecutor
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.runs.run import run_source
from cornea_stream.storage import SCRATCH


def test_finished_segments_are_not_done_again(tmp_path: Path, segmenter: Segmenter) -> None:
    segmenter.smooth = True
    path = write_video(tmp_path / "v.mp4", eyes(), options=OPEN_GOP, audio="aac")
    whole = run_source(path, tmp_path / "whole", segmenter, EVERYTHING)
    folder = tmp_path / "cut" / "v"

    def give_up(step: Step) -> None:
        if step.progress and step.progress.frames == 45:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_chunks(path, segmenter, on_step=give_up)
    assert sorted(p.name for p in folder.iterdir()) == [SCRATCH, "run.part.json"]
    parts = sorted((folder / SCRATCH).iterdir())
    manifests = [part / "run.json" for part in parts if (part / "run.json").exists()]
    assert len(manifests) == 2
    stamps = [path.stat().st_mtime_ns for path in manifests]
    seen: list[int] = []

    def look(step: Step) -> None:
        if step.progress:
            seen.append(step.progress.frames)
            assert [path.stat().st_mtime_ns for path in manifests] == stamps

    cut = in_chunks(path, segmenter, replace(EVERYTHING, resume=True), on_step=look)
    assert seen[0] >= 40
    assert segments_of(cut) == [20, 20, 20]
    assert_equal(whole, cut)


def test_stopping_keeps_finished_chunks(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "v.mp4", eyes(), options=X264)
    stop = threading.Event()
    whole = run_source(path, tmp_path / "whole", segmenter, EVERYTHING)
    cut = in_chunks(
        path, segmenter, stop=stop,
        on_step=lambda s: stop.set() if s.progress and s.progress.frames == 25 else None,
    )  # fmt: skip
    folder = Path(cut.folder)
    assert (cut.status, cut.outputs) == ("interrupted", [])
    assert 25 <= cut.frames < 60
    assert sorted(p.name for p in folder.iterdir()) == [SCRATCH, "run.part.json"]
    assert_equal(whole, in_chunks(path, segmenter, replace(EVERYTHING, resume=True)))


@pytest.mark.parametrize("broken", ["concatenate", "_join_rows", "_move_pngs", "discard_scratch"])
def test_joining_that_was_interrupted_is_done_again(
    tmp_path: Path, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    path = write_video(tmp_path / "v.mp4", eyes(), options=X264, audio="aac")
    whole = run_source(path, tmp_path / "whole", segmenter, EVERYTHING)
    module = storage if broken == "discard_scratch" else join_parts
    original = getattr(module, broken)

    def interrupted(*args: Any, **more: Any) -> None:
        if broken == "discard_scratch" and SCRATCH in str(args[0]):
            return  # that of a part
        if broken == "_move_pngs":
            original(args[0][:2], args[1][:2], *args[2:])
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(module, broken, interrupted)
        with pytest.raises(KeyboardInterrupt):
            in_chunks(path, segmenter)
    decoded = []
    again = in_chunks(path, segmenter, replace(EVERYTHING, resume=True), on_step=decoded.append)
    assert decoded == []
    if broken == "discard_scratch":  # all was there already
        assert again.status == "skipped"
        again.status, again.warnings, again.scale = whole.status, whole.warnings, whole.scale
    assert_equal(whole, again)


def test_earlier_outputs_stay_until_all_is_joined(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "v.mp4", eyes(), options=X264)
    first = in_chunks(path, segmenter)
    folder = Path(first.folder)
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}

    def look(step: Step) -> None:
        assert {p: p.stat().st_mtime_ns for p in before} == before

    del before[folder / "frames"]
    task = plan_source(path, folder, EVERYTHING, segmenter.mask_settings)
    executor = ChunkingExecutor(Here(Given(segmenter)), 0.5, smooth=False)
    (refused,), code = run_batch(
        [task], executor,
        stop=threading.Event(), on_step=look, on_result=lambda task, result: None,
    )  # fmt: skip
    assert code == 5
    assert "overwrite=True" in (refused.error or "")
    look(Step(task, None))
    wanted = replace(EVERYTHING, overwrite=True, every=2)
    again = in_chunks(path, segmenter, wanted, on_step=look)
    assert_equal(run_source(path, tmp_path / "whole", segmenter, wanted), again)


def test_segments_of_a_source_that_changed_are_not_joined(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    """As a recording that is copied anew, or still written, while it is worked on."""
    path = write_video(tmp_path / "v.mp4", eyes(), options=X264)

    def touch(step: Step) -> None:
        if step.progress and step.progress.frames == 30:
            os.utime(path)

    with pytest.raises(AssertionError, match="the source changed during the run"):
        in_chunks(path, segmenter, on_step=touch)
    assert not list((tmp_path / "cut" / "v").glob("*.mp4"))
    result = in_chunks(path, segmenter, replace(EVERYTHING, resume=True))
    assert result.status == "complete"


def test_strict_stops_at_damage(tmp_path: Path, segmenter: Segmenter) -> None:
    rng = np.random.default_rng(0)
    noisy = [np.maximum(p, rng.integers(0, 90, p.shape, np.uint8)) for p in eyes(80)]
    path = write_video(tmp_path / "v.mp4", noisy, options={**X264, "crf": "30"})
    damage(path, 0.5, 5000)
    strict = replace(EVERYTHING, strict=True)
    task = plan_source(path, tmp_path / "cut" / "v", strict, segmenter.mask_settings)
    (result,), code = run_batch(
        [task], ChunkingExecutor(Here(Given(segmenter)), 0.5, smooth=False),
        stop=threading.Event(), on_step=lambda step: None, on_result=lambda task, result: None,
    )  # fmt: skip
    assert code == 3
    assert "damaged near" in (result.error or "")
    assert result.folder == str(task.folder)


def test_damage_ends_work_on_segments_and_is_remembered(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    rng = np.random.default_rng(0)
    noisy = [np.maximum(p, rng.integers(0, 90, p.shape, np.uint8)) for p in eyes(80)]
    path = write_video(tmp_path / "v.mp4", noisy, options={**X264, "crf": "30"})
    damage(path, 0.2, 3000)
    folder = tmp_path / "cut" / "v"
    begun: list[int] = []

    def give_up(step: Step) -> None:
        if step.progress is None and begun:
            raise KeyboardInterrupt  # the whole is begun
        begun.append(step.progress.frames if step.progress else 0)

    with pytest.raises(KeyboardInterrupt):
        in_chunks(path, segmenter, on_step=give_up)
    assert len(list((folder / SCRATCH).glob("*/run.json"))) < 3
    begun.clear()
    cut = in_chunks(
        path, segmenter, replace(EVERYTHING, resume=True), on_step=lambda s: begun.append(1)
    )
    assert cut.frames <= len(begun) <= cut.frames + 1
    said = "not cut into chunks: damage or wrong times in the video"
    assert_equal(run_source(path, tmp_path / "whole", segmenter, EVERYTHING), cut, said)


def test_a_part_that_cannot_be_joined_fails_once(
    tmp_path: Path, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "v.mp4", eyes(), options=X264)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(join_parts, "concatenate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            in_chunks(path, segmenter)
    part = sorted((tmp_path / "cut" / "v" / SCRATCH).glob("*/overlay.mp4"))[1]
    part.write_bytes(part.read_bytes()[:300])
    resume = replace(EVERYTHING, resume=True)
    task = plan_source(path, tmp_path / "cut" / "v", resume, segmenter.mask_settings)
    executor = ChunkingExecutor(Here(Given(segmenter)), 0.5, smooth=False)
    outcomes = list(executor.run([task], stop=threading.Event(), on_step=lambda step: None))
    assert [(done is task, result.status) for done, result in outcomes] == [(True, "failed")]


def test_outputs_that_came_after_the_plan_are_kept(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "v.mp4", eyes(), options=X264)
    task = plan_source(path, tmp_path / "cut" / "v", EVERYTHING, segmenter.mask_settings)
    run_source(path, tmp_path / "cut", segmenter, EVERYTHING)  # as another process would
    before = {p: p.stat().st_mtime_ns for p in task.folder.rglob("*")}
    executor = ChunkingExecutor(Here(Given(segmenter)), 0.5, smooth=False)
    ((_, refused),) = executor.run([task], stop=threading.Event(), on_step=lambda step: None)
    assert "outputs have changed since the run was planned" in (refused.error or "")
    assert {p: p.stat().st_mtime_ns for p in task.folder.rglob("*")} == before


def test_a_second_chunked_run_leaves_the_parts_of_the_first_alone(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    path = write_video(tmp_path / "v.mp4", eyes(), options=X264)
    seen: list[str] = []

    def run_another(step: Step) -> None:
        if step.progress and step.progress.frames == 45 and not seen:
            seen.append("")
            with pytest.raises(AssertionError, match="locked by another run"):
                in_chunks(path, segmenter)

    first = in_chunks(path, segmenter, on_step=run_another)
    assert (seen, first.status) == ([""], "complete")
    assert_equal(run_source(path, tmp_path / "whole", segmenter, EVERYTHING), first)
