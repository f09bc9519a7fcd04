"""A live run of minutes: memory over time, latency, and whether every frame sent is accounted for.

    python -m benchmarks.live [--minutes 10] [--rate 25] [--output benchmarks/results/live.json]

A generated surgery of 1024x768 comes from GStreamer's RTSP server on this machine (Debian:
gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good python3-gi); overlay recorded. Source, network,
encoder and server share the machine's cores.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.media import write_looped
from benchmarks.report import save
from benchmarks.resident import growth_per_minute, sampled

HEIGHT, WIDTH = 768, 1024
SERVER = Path(__file__).parents[1] / "tests" / "servers" / "rtsp.py"


@contextmanager
def served(video: Path) -> Iterator[str]:
    """Serve `video` by RTSP in real time; give the address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["/usr/bin/python3", str(SERVER), str(video), str(port)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        if server.stdout is None or server.stdout.readline() != "ready\n":
            raise SystemExit("GStreamer's RTSP server is missing: see the head of this script")
        yield f"rtsp://127.0.0.1:{port}/eye"
    finally:
        server.kill()
        server.wait()


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description="Minutes of live video.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=int, default=25, help="frames per second")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/live.json"))
    options = parser.parse_args()
    rate = options.rate
    sent = round(60 * rate * options.minutes)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_looped(folder / "surgery.mkv", sent, (WIDTH, HEIGHT), rate)
        with served(folder / "surgery.mkv") as address:
            process = subprocess.Popen(
                [*(sys.executable, "-m", "cornea_stream", "run", address, "-o", str(folder)),
                 *("--precision", options.precision, "--reconnect-timeout", "0", "--json")],
                stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            place = folder / address.removeprefix("rtsp://").replace(":", "-").replace("/", "-")
            samples = sampled(process, place / "overlay.part.mp4")
        if process.returncode:
            raise SystemExit(f"the run failed with {process.returncode}")
        assert process.stdout is not None
        (run,) = json.loads(process.stdout.read())
        engine = json.loads((place / "run.json").read_text())["engine"]
    live = run["live"]
    result = {
        "what": f"live RTSP at {rate} fps, {WIDTH}x{HEIGHT}, overlay recorded, server on the "
        "same machine",
        "minutes": options.minutes,
        "engine": engine,
        "sent": sent,
        "received": live["received"],
        "shown": live["shown"],
        "dropped": live["dropped"],
        "sent_is_shown_plus_dropped": sent == live["shown"] + live["dropped"],
        "latency_p50_ms": live["latency_p50_ms"],
        "latency_p95_ms": live["latency_p95_ms"],
        "resident_mib_most": max(mib for _, mib in samples),
        "growth_in_second_half_mib_per_minute": growth_per_minute(samples),
        "resident_mib_by_second": dict(samples),
    }
    save(options.output, result)


if __name__ == "__main__":
    main()
