"""A live run of minutes: memory over time, latency, and whether every frame sent is accounted for.

    python -m benchmarks.live [--minutes 10] [--output benchmarks/results/live.json]

A generated surgery at 25 frames per second, 1024x768, comes from GStreamer's RTSP server on this
machine (Debian: gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good python3-gi); int8 with
OpenVINO, overlay recorded. Source, network, encoder and server share the machine's cores.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from benchmarks.report import save
from cornea_stream.synthetic import generate_clip

HEIGHT, WIDTH, RATE = 768, 1024, 25
SAMPLE_EVERY_S = 2.0
SERVER = Path(__file__).parents[1] / "tests" / "servers" / "rtsp.py"


def write_surgery(path: Path, frames: int) -> None:
    """Write so many frames: a few seconds there and back, encoded once, repeated as packets."""
    pictures = [rgb for rgb, _ in generate_clip(1, 50, HEIGHT, WIDTH)]
    pictures += pictures[-2:0:-1]
    loop = path.with_name("loop.mkv")
    # One slice per picture: GStreamer's payloader tears others apart.
    options = {"preset": "veryfast", "bf": "0", "g": str(RATE), "threads": "1"}
    with av.open(str(loop), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(str(path), "w") as container:
        stream, index = None, 0
        while index < frames:
            with av.open(str(loop)) as source:
                stream = stream or container.add_stream_from_template(source.streams.video[0])
                for packet in source.demux(video=0):
                    if packet.dts is None or index == frames:
                        continue
                    packet.stream, packet.time_base = stream, Fraction(1, RATE)
                    packet.pts = packet.dts = index
                    container.mux(packet)
                    index += 1


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


def sampled(process: subprocess.Popen[str], recording: Path) -> list[tuple[float, float]]:
    """Return (seconds, resident MiB) while the part file of the recording is there."""
    samples: list[tuple[float, float]] = []
    began = None
    while process.poll() is None:
        if recording.exists():
            began = began or time.monotonic()
            samples.append((round(time.monotonic() - began, 1), resident_mib(process.pid)))
        time.sleep(SAMPLE_EVERY_S if began else 0.1)
    return samples


def resident_mib(pid: int) -> float:
    """Return the resident set of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return round(int(status.partition("VmRSS:")[2].split()[0]) / 1024, 1)


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description="Minutes of live video.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--precision", default="int8")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/live.json"))
    options = parser.parse_args()
    sent = round(60 * RATE * options.minutes)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_surgery(folder / "surgery.mkv", sent)
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
    half = samples[len(samples) // 2 :]
    growth = np.polyfit(*np.transpose(half), 1)[0] if len(half) > 1 else 0.0
    result = {
        "what": f"live RTSP at {RATE} fps, {WIDTH}x{HEIGHT}, overlay recorded, server beside it",
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
        "growth_in_second_half_mib_per_minute": round(60 * float(growth), 3),
        "resident_mib_by_second": dict(samples),
    }
    save(options.output, result)


if __name__ == "__main__":
    main()
