"""Worker processes: shares of cores, GPUs in turn, deaths, Ctrl-C, and nothing done twice."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import moving_discs, read_video, write_video
from jobs_command import command
from waiting import PATIENCE_S, wait_until

from cornea_stream.batch import process_pool
from cornea_stream.batch.cores import core_shares
from cornea_stream.batch.process_pool import Processes, worker_devices
from cornea_stream.batch.setup import Setup
from cornea_stream.batch.task import SourceTask, Step, Task, plan_source
from cornea_stream.errors import CheckpointError
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.result import RunResult


@pytest.fixture
def setup(tiny_checkpoint: Path) -> Setup:
    return Setup(tiny_checkpoint, device="cpu", backend="torch")


def test_cores_are_dealt_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    # As Linux counts them: 0 and 4 are the two threads of one core.
    monkeypatch.setattr("cornea_stream.batch.cores._position", lambda cpu: (0, cpu % 4, cpu))
    assert core_shares(2) == [{0, 4, 1, 5}, {2, 6, 3, 7}]
    for count in range(1, 9):
        shares = core_shares(count)
        assert len(shares) == count
        assert sorted(cpu for share in shares for cpu in share) == list(range(8))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert Counter(map(len, core_shares(11))) == {1: 11}


def test_devices_are_taken_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cornea_stream.engines.device._gpu_driver", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert worker_devices("auto", None) == ["cpu"]
    assert worker_devices("auto", 3) == ["cpu"] * 3
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert worker_devices("auto", None) == ["cuda:0", "cuda:1", "cuda:2"]
    assert worker_devices("cuda", 2) == worker_devices("GPU", 2) == ["cuda:0", "cuda:1"]
    assert worker_devices("cuda:0,cuda:2", 4) == ["cuda:0", "cuda:2"] * 2
    assert worker_devices("cuda:1", None) == ["cuda:1"]
    assert worker_devices("cpu", None) == ["cpu"]


def make_tasks(folder: Path, lengths: list[int], setup: Setup) -> list[SourceTask]:
    masks = setup.mask_settings()
    tasks = []
    for number, length in enumerate(lengths):
        path = write_video(folder / f"{number}.mp4", (moving_discs(30) * 100)[:length],
                           options={"preset": "ultrafast"})  # fmt: skip
        tasks.append(plan_source(path, folder / "out" / path.stem, RunOptions(), masks))
    return tasks


def worker_at(task: Task) -> int | None:
    """Return the worker process that has opened the source of a task."""
    for child in multiprocessing.active_children():
        open_files = Path(f"/proc/{child.pid}/fd").iterdir()
        if any(os.path.realpath(file) == str(task.source) for file in open_files):
            return child.pid
    return None


def test_a_worker_that_is_killed_costs_its_unit_only(tmp_path: Path, setup: Setup) -> None:
    """Both workers are killed, so that the short ones are done by those in their place."""
    tasks = make_tasks(tmp_path, [1000, 1000, 6, 6], setup)
    long, short = tasks[:2], tasks[2:]

    def kill(step: Step) -> None:
        """Kill whichever worker is at work on a long one."""
        if step.task in long and step.progress and (pid := worker_at(step.task)):
            os.kill(pid, signal.SIGKILL)

    work = Processes(setup, ["cpu", "cpu"]).run(tasks, stop=threading.Event(), on_step=kill)
    results = dict(work)
    assert set(results) == set(tasks)
    for task in long:
        assert results[task].status == "failed"
        assert f"died (SIGKILL): {task.source}" in (results[task].error or "")
    for task in short:
        assert (results[task].status, results[task].frames) == ("complete", 6)
        assert len(read_video(task.folder / "overlay.mp4")) == 6
    assert not multiprocessing.active_children()


def test_a_replacement_that_cannot_load_leaves_the_rest_to_the_others(
    tmp_path: Path, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine with several GPUs, one of which has failed."""
    # Not caplog: libraries that other tests import turn loggers off.
    warned: list[str] = []
    monkeypatch.setattr(process_pool.log, "warning", lambda text, *of: warned.append(text % of))
    weights = tmp_path / "weights.safetensors"
    shutil.copy(setup.checkpoint or "", weights)
    tasks = make_tasks(tmp_path, [1000, 1000, 6, 6], setup)
    begun: list[Task] = []
    victim, first = 0, set[int | None]()
    is_dropped = False

    def on_step(step: Step) -> None:
        nonlocal victim, first, is_dropped
        if not step.progress:
            return
        if step.task not in begun:
            begun.append(step.task)
        pids = {child.pid for child in multiprocessing.active_children()}
        if not victim:
            victim = worker_at(step.task) or 0
            assert victim
            os.kill(victim, signal.SIGSTOP)  # until the other has loaded the model as well
        elif len(begun) == 2 and not first:
            first = pids
            weights.write_bytes(b"nonsense")
            os.kill(victim, signal.SIGKILL)
        elif first and pids - first and not is_dropped:
            wait_until(
                lambda: {child.pid for child in multiprocessing.active_children()} <= first,
                "the end of the replacement",
            )
            is_dropped = True

    work = Processes(replace(setup, checkpoint=weights), ["cpu", "cpu"])
    results = dict(work.run(tasks, stop=threading.Event(), on_step=on_step))
    assert is_dropped
    failed = results.pop(begun[0])
    assert "died (SIGKILL)" in (failed.error or "")
    assert [result.status for result in results.values()] == ["complete"] * 3
    assert ["weights.safetensors" in text for text in warned] == [True]


def test_what_no_worker_can_load_is_raised_once(tmp_path: Path, setup: Setup) -> None:
    (tmp_path / "bad.pth").write_bytes(b"nonsense")
    tasks = make_tasks(tmp_path, [3, 3], setup)
    work = Processes(Setup(tmp_path / "bad.pth"), ["cpu"] * 2)
    with pytest.raises(CheckpointError, match=r"bad\.pth"):
        list(work.run(tasks, stop=threading.Event(), on_step=lambda step: None))
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_stopping_ends_the_units_in_hand_in_order(tmp_path: Path, setup: Setup) -> None:
    tasks = make_tasks(tmp_path, [3000, 3000, 6], setup)
    stop = threading.Event()
    begun: set[SourceTask] = set()

    def on_step(step: Step) -> None:
        if step.progress:
            begun.add(step.task)
        if len(begun) == 2:
            stop.set()

    results: dict[SourceTask, RunResult] = dict(
        Processes(setup, ["cpu"] * 2).run(tasks, stop=stop, on_step=on_step)
    )
    assert set(results) == set(tasks[:2])
    for task, result in results.items():
        assert result.status == "interrupted"
        assert 0 < result.frames < 3000
        assert len(read_video(task.folder / "overlay.mp4")) == result.frames
    assert not (tasks[2].folder).exists()


def complete(folder: Path) -> dict[Path, float]:
    """Return the run.json files of complete runs, with the times at which they were written."""
    return {
        path: path.stat().st_mtime_ns
        for path in folder.rglob("run.json")
        if json.loads(path.read_text())["status"] == "complete"
    }


def test_thirty_videos_three_broken_interrupted_and_resumed(
    tmp_path: Path, tiny_checkpoint: Path
) -> None:
    names = [f"{2020 + number % 3}/or{number % 2}/v{number:02d}" for number in range(30)]
    broken = {names[3], names[14], names[29]}
    for name in names:
        path = tmp_path / "rec" / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        if name in broken:
            path.write_bytes(b"x" * 5000)
        else:
            write_video(path, moving_discs(30), options={"preset": "ultrafast"})
    process = subprocess.Popen(
        command(tmp_path, tiny_checkpoint), stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    wait_until(lambda: len(complete(tmp_path / "out")) >= 8, "eight videos")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    before = complete(tmp_path / "out")
    assert 8 <= len(before) < 27
    with (tmp_path / "out" / "summary.csv").open() as file:
        statuses = Counter(row["status"] for row in csv.DictReader(file))
    assert statuses["complete"] == len(before)
    assert statuses["not done"] > 0
    assert sum(statuses.values()) == 30

    done = subprocess.run(
        command(tmp_path, tiny_checkpoint, "--resume"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 6, done.stderr
    after = complete(tmp_path / "out")
    assert len(after) == 27
    assert {path: after[path] for path in before} == before
    with (tmp_path / "out" / "summary.csv").open() as file:
        rows = {Path(row["source"]).relative_to(tmp_path / "rec").with_suffix("").as_posix(): row
                for row in csv.DictReader(file)}  # fmt: skip
    assert set(rows) == set(names)
    assert {name for name, row in rows.items() if row["status"] == "failed"} == broken
    statuses = Counter(row["status"] for row in rows.values())
    assert statuses == {"skipped": len(before), "complete": 27 - len(before), "failed": 3}
    for name in set(names) - broken:
        assert rows[name]["frames"] == "30"
        assert rows[name]["folder"] == str(tmp_path / "out" / name)
        assert len(read_video(tmp_path / "out" / name / "overlay.mp4")) == 30
    for name in broken:
        assert f"rec/{name}.mp4" in done.stderr
    assert "Traceback" not in done.stderr
    assert f"complete │ {27 - len(before)} " in done.stdout
