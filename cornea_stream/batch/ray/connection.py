"""Connects to a Ray cluster that responds, or starts a local one."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from cornea_stream.errors import UsageError

_KNOCK_S, _JOIN_S = 5.0, 15.0
# Joining a broken cluster can block for minutes or end the process, so a subprocess tries first.
_TRIAL = "import ray, sys; ray.init(sys.argv[1], log_to_driver=False, logging_level='CRITICAL')"
log = logging.getLogger(__name__)


def check_address(address: str) -> None:
    """Raise UsageError for a client address of another machine, which is not supported."""
    if "://" in address:
        raise UsageError(
            f"not a cluster's address: {address}: run on a machine of the cluster, and give "
            "auto or HOST:PORT"
        )


def connect(address: str) -> tuple[Any, bool]:
    """Return the connected module ray, and whether this call connected it.

    "auto" is the cluster in $RAY_ADDRESS, else the one that `ray start` connected this machine to
    if it responds, else a new local cluster. A Ray instance of another program is never joined.
    Raises UsageError if Ray is missing or a named cluster does not respond.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # it would send usage statistics
    # Messages about dead processes would go to standard output; results report losses.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".*")
    try:
        import ray
    except ImportError as err:
        raise UsageError("Ray is not installed: pip install 'cornea-stream[ray]'") from err
    if ray.is_initialized():
        return ray, False
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or "auto"
        check_address(address)
    if address == "auto":
        address = _standing_cluster(ray) or "local"
    elif address != "local" and (silence := _silence(address, ray)):
        raise UsageError(
            f"no Ray cluster responds at: {address}: {silence}: give HOST:PORT as printed by: ray "
            "start --head"
        )
    own: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (ConnectionError, RuntimeError, ValueError) as err:
        raise UsageError(
            f"cannot join the Ray cluster: {address}: {' '.join(str(err).split())[:300]}: "
            "check it with: ray status"
        ) from err
    return ray, True


def _standing_cluster(ray: Any) -> str | None:
    """Return the cluster that `ray start` recorded on this machine, if it still responds."""
    noted: str | None = ray._private.utils.read_ray_address()
    if not noted:
        return None
    if silence := _silence(noted, ray):
        log.warning(
            "this machine's Ray cluster does not respond: %s: %s: starting one for this run",
            noted, silence,
        )  # fmt: skip
        return None
    return noted


def _silence(address: str, ray: Any) -> str | None:
    """Return why this machine cannot join a cluster, or None if it can."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_KNOCK_S).close()
    except (OSError, ValueError) as err:
        return str(err)
    here = Path(ray.__file__).parents[1]  # so that the same Ray is used there
    try:
        trial = subprocess.run(
            [sys.executable, "-c", _TRIAL, address],
            cwd=here, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=_JOIN_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"it could not be joined within {_JOIN_S:g} s"
    if trial.returncode:
        return trial.stderr.strip().rpartition("\n")[2][:300] or "it could not be joined"
    return None
