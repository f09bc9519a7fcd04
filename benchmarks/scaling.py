"""How `cornea-stream run` scales: with length, size, batch, cores, jobs, chunks and Ray workers.

    python -m benchmarks.scaling VIDEO [--rounds 3] [--output FILE]

Every case is the command itself in a process of its own; cases take turns for `--rounds` rounds,
and medians are compared within each table. Warm-up is not counted, as in the command's own figure;
for jobs, chunks and Ray, which start processes, it is: they are frames by seconds of the whole
command. Ray's cluster is one of this machine with a core for each worker, which is up before the
command starts. A plot of all tables is written beside the result.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.bars import draw
from benchmarks.media import reencoded
from benchmarks.report import save

COMMON_SIZE = (1024, 768)


@dataclass(frozen=True, slots=True)
class Case:
    """One row of a table: which clip (size, repeats), further arguments, how many cores."""

    table: str
    label: str
    size: tuple[int, int] = COMMON_SIZE
    repeats: int = 1
    arguments: tuple[str, ...] = ()
    cores: int | None = None
    copies: int = 1
    """So many sources of the same content in one command."""
    with_start: bool = False
    ray_workers: int = 0
    """So many workers of one core each in a Ray cluster."""


def cases(cores: int) -> list[Case]:
    """Return every row of every table for a machine with so many cores."""
    by_length = [Case("length", f"{n} times the clip", repeats=n) for n in (1, 4, 16)]
    sizes = ((512, 324), COMMON_SIZE, (1920, 1080), (3840, 2160))
    by_size = [
        Case("resolution", f"{backend}, {w}x{h}", size=(w, h), arguments=("--backend", backend))
        for backend in ("auto", "torch")
        for w, h in sizes
    ]
    by_batch = [
        Case("batch", f"{backend}, batch {n}", arguments=("--backend", backend, "--batch-size", n))
        for backend in ("torch", "auto")
        for n in ("1", "2", "4", "8")
    ]
    steps = sorted({1, 2, 4, 8, cores} & set(range(cores + 1)))
    by_cores = [Case("cores", str(n), cores=n) for n in steps]
    workers = [n for n in (1, 2, 4) if n <= max(2, cores)]
    by_jobs = [
        Case(
            "jobs", f"4 videos, {n} at a time", repeats=4, copies=4, with_start=True,
            arguments=("--jobs", str(n)),
        )
        for n in workers
    ]  # fmt: skip
    by_chunks = [Case("chunks", "in one piece", repeats=16, with_start=True)] + [
        Case(
            "chunks", f"chunks of 10 s, {n} at a time", repeats=16, with_start=True,
            arguments=("--chunk", "10", "--jobs", str(n)),
        )
        for n in workers
    ]  # fmt: skip
    by_ray = [
        Case(
            "ray", f"4 videos, {n} at a time", repeats=4, copies=4, with_start=True,
            arguments=("--ray-cores", "1"), ray_workers=n,
        )
        for n in workers
    ]  # fmt: skip
    return by_length + by_size + by_batch + by_cores + by_jobs + by_chunks + by_ray


@contextmanager
def ray_cluster(cores: int) -> Iterator[str]:
    """Give the address of a Ray cluster with so many cores on this machine, or "" without any."""
    if cores == 0:
        yield ""
        return
    from ray.cluster_utils import Cluster

    node = {"num_cpus": cores, "object_store_memory": 100_000_000, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    try:
        yield str(cluster.address)
    finally:
        cluster.shutdown()


def measure(case: Case, clip: Path) -> float:
    """Return the frames per second of the command for one case."""
    with tempfile.TemporaryDirectory() as folder, ray_cluster(case.ray_workers) as address:
        limit = None
        if case.cores is not None:
            cores = sorted(os.sched_getaffinity(0))[: case.cores]
            limit = functools.partial(os.sched_setaffinity, 0, cores)
        sources = [clip]
        if case.copies > 1:
            sources = [Path(folder) / f"{number}.mp4" for number in range(case.copies)]
            for source in sources:
                source.symlink_to(clip)
        command = [sys.executable, "-m", "cornea_stream", "run", *map(str, sources), "--json"]
        command += ["--ray", address] if address else []
        began = time.perf_counter()
        done = subprocess.run(
            [*command, "-o", f"{folder}/out", *case.arguments],
            check=True,
            capture_output=True,
            preexec_fn=limit,
        )
        seconds = time.perf_counter() - began
    runs = json.loads(done.stdout)
    if case.with_start:
        return sum(int(run["frames"]) for run in runs) / seconds
    (run,) = runs
    return float(run["fps"])


def main() -> None:
    """Run the rounds, print and write the result."""
    parser = argparse.ArgumentParser(description="Scaling of the run command.")
    parser.add_argument("video", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tables", nargs="+", help="only these, as in cores jobs chunks")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/scaling.json"))
    options = parser.parse_args()
    rows = cases(len(os.sched_getaffinity(0)))
    rows = [case for case in rows if not options.tables or case.table in options.tables]
    if find_spec("ray") is None:
        rows = [case for case in rows if not case.ray_workers]
    speeds: dict[Case, list[float]] = {case: [] for case in rows}
    with tempfile.TemporaryDirectory() as folder:
        clips = {}
        for size, repeats in {(case.size, case.repeats) for case in rows}:
            target = Path(folder) / f"{size[0]}x{size[1]}x{repeats}.mp4"
            clips[size, repeats] = reencoded(options.video, target, size, repeats)
        for turn in range(options.rounds):
            for case in rows:
                speeds[case].append(measure(case, clips[case.size, case.repeats]))
                print(f"round {turn + 1}: {case.table}: {case.label}: {speeds[case][-1]:.1f} fps")
    tables: dict[str, dict[str, float]] = {}
    for case, values in speeds.items():
        tables.setdefault(case.table, {})[case.label] = round(statistics.median(values), 1)
    draw(tables, options.output.with_suffix(".png"))
    what = f"median frames per second of `cornea-stream run`, {COMMON_SIZE} where not said"
    save(options.output, {"what": what, **tables})


if __name__ == "__main__":
    main()
