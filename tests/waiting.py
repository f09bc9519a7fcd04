"""Waiting for what must come about: no test relies on how long it takes."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

PATIENCE_S = 200
"""Long even on a busy machine, and less than pytest's own limit."""


def wait_until(happened: Callable[[], object], what: str) -> None:
    """Return once it has happened; fail the test, naming what was waited for, if it never does."""
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        if time.monotonic() > deadline:
            pytest.fail(f"waited in vain for {what}")
        time.sleep(0.01)


def wait_for_port(port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> None:
    """Wait until somebody listens, without connecting: it may be for one caller only."""
    table, state = ("tcp", "0A") if kind == socket.SOCK_STREAM else ("udp", "07")

    def listening() -> bool:
        rows = (line.split() for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:])
        return any(row[1].endswith(f":{port:04X}") and row[3] == state for row in rows)

    wait_until(listening, f"a listener at {kind.name} port {port}")
