"""Which Ray cluster is joined: one that answers. Real ones, alive, dead and half dead."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray_cluster import ray_cluster

from cornea_stream.batch.ray import connection
from cornea_stream.errors import UsageError

pytest.importorskip("ray")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with ray_cluster(1) as made:
        yield made


@pytest.fixture
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_JOIN_S", 3.0)


def note(address: str) -> None:
    """Have `auto` find an address, as `ray start` leaves it."""
    Path(os.environ["RAY_TMPDIR"], "ray", "ray_current_cluster").write_text(address)


def joined(address: str) -> str:
    """Return which cluster was joined, and leave it."""
    ray, is_mine = connection.connect(address)
    try:
        assert is_mine
        return str(ray.get_runtime_context().gcs_address)
    finally:
        ray.shutdown()


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of something that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def test_auto_joins_what_is_noted_or_named(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    note(cluster.address)
    assert joined("auto") == cluster.address
    note("127.0.0.1:9")
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    assert joined("auto") == cluster.address
    for named in ("127.0.0.1:9", "nonsense"):
        monkeypatch.setenv("RAY_ADDRESS", named)
        with pytest.raises(UsageError, match=f"no Ray cluster responds at: {named}"):
            connection.connect("auto")
    monkeypatch.setenv("RAY_ADDRESS", "ray://somewhere:10001")
    with pytest.raises(UsageError, match="run on a machine of the cluster"):
        connection.connect("auto")


def test_auto_joins_no_ray_that_nobody_noted(cluster: Any) -> None:
    Path(os.environ["RAY_TMPDIR"], "ray", "ray_current_cluster").unlink(missing_ok=True)
    assert joined("auto") != cluster.address


def test_what_takes_connections_and_says_nothing_is_told(
    silent: str, little_patience: None
) -> None:
    told = f"no Ray cluster responds at: {silent}: it could not be joined within 3 s"
    with pytest.raises(UsageError, match=told):
        connection.connect(silent)


def test_auto_leaves_a_crashed_head_alone(
    cluster: Any, little_patience: None, caplog: pytest.LogCaptureFixture
) -> None:
    """The last of these tests: the head's raylet is killed, while its address is still served."""
    for process in cluster.head_node.all_processes["raylet"]:
        os.kill(process.process.pid, signal.SIGKILL)
        process.process.wait(10)
    note(cluster.address)
    with caplog.at_level(logging.WARNING):
        assert joined("auto") != cluster.address
    assert f"does not respond: {cluster.address}" in caplog.text
