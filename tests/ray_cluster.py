"""A Ray cluster on this machine for tests, of which nothing is left behind."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from waiting import PATIENCE_S

from cornea_stream.batch.ray import connection


@contextmanager
def ray_cluster(nodes: int) -> Iterator[Any]:
    """Yield a cluster of nodes of one core each, whose address stands in a folder of its own."""
    from ray.cluster_utils import Cluster

    # Not below pytest's folder: paths of sockets must be short.
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    node = {"num_cpus": 1, "object_store_memory": 80_000_000}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        environment.setenv("RAY_TMPDIR", str(folder))
        environment.delenv("RAY_ADDRESS", raising=False)
        environment.setattr(connection, "_JOIN_S", PATIENCE_S)
        try:
            made = Cluster(
                initialize_head=True, head_node_args={**node, "include_dashboard": False}
            )
            try:
                for _ in range(nodes - 1):
                    made.add_node(**node)
                yield made
            finally:
                made.shutdown()
        finally:
            _end_those_of(folder)
            shutil.rmtree(folder, ignore_errors=True)


def _end_those_of(folder: Path) -> None:
    """Kill, after a while, the processes that were born with this folder as Ray's."""
    deadline = time.monotonic() + 10
    while (left := _born_with(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert not left, f"Ray left processes behind: {left}"


def _born_with(folder: Path) -> list[int]:
    mark = f"RAY_TMPDIR={folder}".encode()
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark in environ.read_bytes().split(b"\0"):
                found.append(int(environ.parent.name))
    return found
