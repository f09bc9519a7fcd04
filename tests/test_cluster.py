"""A real Ray cluster of two nodes on this machine: tasks done, lost, done elsewhere, given up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import moving_discs, read_video, write_video
from ray_cluster import ray_cluster
from waiting import PATIENCE_S, wait_until

from cornea_stream.batch.ray.actor import shares
from cornea_stream.batch.ray.cluster import TRIES, RayCluster
from cornea_stream.batch.setup import Setup
from cornea_stream.batch.task import SourceTask, Step, plan_source
from cornea_stream.chunks.executor import ChunkingExecutor
from cornea_stream.errors import CheckpointError, UsageError
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.result import RunResult

pytest.importorskip("ray")


def test_nodes_are_dealt_by_gpus_or_by_cores() -> None:
    def dealt(on_gpus: bool, **resources: float) -> list[tuple[int, int]]:
        found = shares("n", resources, 8, on_gpus)
        assert [share.index for share in found] == list(range(len(found)))
        return [(share.cores, int(share.gpu)) for share in found]

    assert dealt(False, CPU=64) == [(8, 0)] * 8
    assert dealt(False, CPU=20, GPU=1) == [(10, 0)] * 2
    assert dealt(False, CPU=2) == [(2, 0)]
    assert dealt(False, memory=1e9) == []
    assert dealt(True, CPU=32, GPU=4) == [(8, 1)] * 4
    assert dealt(True, CPU=32) == []


def test_what_makes_no_sense_is_told_at_once(tiny_checkpoint: Path) -> None:
    setup = Setup(tiny_checkpoint)
    masks = setup.mask_settings()
    with pytest.raises(UsageError, match="Ray assigns the GPUs: cuda:1"):
        RayCluster(replace(setup, device="cuda:1"), masks, "auto")
    with pytest.raises(UsageError, match="run on a machine of the cluster"):
        RayCluster(setup, masks, "ray://somewhere:10001")
    for address in ("127.0.0.1:9", "nonsense"):
        work = RayCluster(setup, masks, address).run(
            [plan_source(Path("a"), Path("b"), RunOptions(), masks)],
            stop=threading.Event(), on_step=lambda step: None,
        )  # fmt: skip
        with pytest.raises(UsageError, match=f"no Ray cluster responds at: {address}"):
            next(work)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one core each, on loopback."""
    with ray_cluster(2) as made:
        yield made


@pytest.fixture
def setup(tiny_checkpoint: Path) -> Setup:
    return Setup(tiny_checkpoint, device="cpu", backend="torch")


def make_tasks(folder: Path, lengths: list[int], setup: Setup) -> list[SourceTask]:
    masks = setup.mask_settings()
    tasks = []
    for number, length in enumerate(lengths):
        path = write_video(folder / f"{number}.mp4", (moving_discs(30) * 100)[:length],
                           options={"preset": "ultrafast"})  # fmt: skip
        tasks.append(plan_source(path, folder / "out" / path.stem, RunOptions(), masks))
    return tasks


def run(
    tasks: list[SourceTask], setup: Setup, cluster: Any, on_step: Any
) -> dict[SourceTask, RunResult]:
    executor = RayCluster(setup, setup.mask_settings(), cluster.address, cores=1)
    found = list(executor.run(tasks, stop=threading.Event(), on_step=on_step))
    assert len(found) == len(tasks)
    assert "torch" in executor.describe()
    assert "2 actors" in executor.describe()
    return dict(found)


def kill_who_reads(path: Path) -> None:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            files = [os.path.realpath(file) for file in (process / "fd").iterdir()]
        except OSError:
            continue
        if str(path) in files and process.name != str(os.getpid()):
            os.kill(int(process.name), signal.SIGKILL)


@pytest.mark.slow
def test_a_unit_whose_actor_dies_each_time_is_given_up(
    tmp_path: Path, setup: Setup, cluster: Any
) -> None:
    tasks = make_tasks(tmp_path, [6, 2000, 6, 6], setup)
    begun = Counter[SourceTask]()

    def on_step(step: Step) -> None:
        begun[step.task] += step.progress is None
        if step.task == tasks[1] and step.progress:
            kill_who_reads(tasks[1].source)

    results = run(tasks, setup, cluster, on_step)
    assert begun[tasks[1]] == TRIES
    assert results[tasks[1]].status == "failed"
    assert f"lost {TRIES} times: {tasks[1].source}" in (results[tasks[1]].error or "")
    for task in (tasks[0], *tasks[2:]):
        assert (results[task].status, results[task].frames) == ("complete", 6)


def test_other_weights_than_the_driver_s_are_refused(
    tmp_path: Path, setup: Setup, cluster: Any
) -> None:
    masks = replace(setup.mask_settings(), checkpoint="0" * 64)
    executor = RayCluster(setup, masks, cluster.address, cores=1)
    tasks = make_tasks(tmp_path, [3, 3], setup)
    with pytest.raises(CheckpointError, match=r"other weights on .*tiny\.safetensors"):
        list(executor.run(tasks, stop=threading.Event(), on_step=lambda step: None))
    assert not tasks[0].folder.exists()


@pytest.mark.slow
def test_the_command_line_stops_in_order_and_resumes(
    tmp_path: Path, tiny_checkpoint: Path, cluster: Any
) -> None:
    (tmp_path / "rec").mkdir()
    tasks = make_tasks(tmp_path / "rec", [6, 1200, 1200, 6], setup)
    (tmp_path / "rec" / "broken.mp4").write_bytes(b"x" * 5000)
    command = [
        *(sys.executable, "-m", "cornea_stream", "run", "rec", "-o", "out", "--backend", "torch"),
        *("--ray", cluster.address, "--ray-cores", "1", "--checkpoint", str(tiny_checkpoint)),
    ]
    process = subprocess.Popen(
        [*command, "--frames"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    frames = [tmp_path / "out" / name / "frames" / "000010_mask.png" for name in "12"]
    wait_until(lambda: all(file.exists() for file in frames), "work on both nodes")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    for name in "12":
        told = json.loads((tmp_path / "out" / name / "run.json").read_text())
        assert told["status"] == "interrupted"
        assert len(read_video(tmp_path / "out" / name / "overlay.mp4")) == told["frames"] < 1200
    done = subprocess.run(
        [*command, "--frames", "--resume", "--end", "1", "--json"],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 6, done.stderr
    results = {Path(told["source"]).stem: told for told in json.loads(done.stdout)}
    assert {name: told["status"] for name, told in results.items()} == {
        **dict.fromkeys("0123", "complete"), "broken": "failed"
    }  # fmt: skip
    for task in tasks:
        told = json.loads((tmp_path / "out" / task.source.stem / "run.json").read_text())
        assert told["source"]["path"] == str(task.source)
        assert told["frames"] == min(25, len(read_video(task.source)))


@pytest.mark.slow
def test_segments_of_one_video_on_two_nodes(tmp_path: Path, setup: Setup, cluster: Any) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(30) * 10, options={"g": "25"})
    wanted = RunOptions(mask=True, metrics=True)
    whole = plan_source(path, tmp_path / "whole" / "v", wanted, setup.mask_settings())
    cut = plan_source(path, tmp_path / "cut" / "v", wanted, setup.mask_settings())
    executor = RayCluster(setup, setup.mask_settings(), cluster.address, cores=1)
    workers = set()
    for task, work in ((whole, executor), (cut, ChunkingExecutor(executor, 2.0, smooth=False))):
        ((done, result),) = work.run(
            [task], stop=threading.Event(), on_step=lambda step: workers.add(step.task)
        )
        assert (done, result.status, result.frames) == (task, "complete", 300)
    assert workers == {whole, cut}
    assert "2 actors" in executor.describe()
    assert len(json.loads((cut.folder / "run.json").read_text())["segments"]["frames"]) == 6
    table, joined = ((task.folder / "metrics.csv").read_text() for task in (whole, cut))
    assert joined == table
    masks, parts = (read_video(task.folder / "mask.mkv") for task in (whole, cut))
    for (time_s, mask), (part_s, part) in zip(masks, parts, strict=True):
        assert part_s == time_s
        assert (part.to_ndarray() == mask.to_ndarray()).all()


def test_a_node_that_is_killed_in_mid_run_loses_nothing(
    tmp_path: Path, setup: Setup, cluster: Any
) -> None:
    """The last of these tests: it leaves the cluster with one node."""
    tasks = make_tasks(tmp_path, [500, 500, 30, 30, 30, 30], setup)
    begun = Counter[SourceTask]()
    working: set[SourceTask] = set()

    def on_step(step: Step) -> None:
        begun[step.task] += step.progress is None
        if step.progress:
            working.add(step.task)
        if len(working) == 2 and len(cluster.worker_nodes) == 1:  # both nodes are at work
            cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)

    results = run(tasks, setup, cluster, on_step)
    assert not cluster.worker_nodes
    assert sum(begun.values()) == len(tasks) + 1  # one was lost and done anew
    assert set(begun) == set(tasks)
    for task, length in zip(tasks, [500, 500, 30, 30, 30, 30], strict=True):
        assert (results[task].status, results[task].frames) == ("complete", length)
        assert len(read_video(task.folder / "overlay.mp4")) == length
        told = json.loads((task.folder / "run.json").read_text())
        assert (told["status"], told["frames"]) == ("complete", length)
        assert {path.name for path in task.folder.iterdir()} == {"overlay.mp4", "run.json"}
