"""Live sources on this machine for tests, whose pictures carry their number."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import disc, write_video

Image = np.ndarray
RATE = 25
_BITS, _BLOCK = 12, 12  # the number stands in blocks at the bottom, left of any disc
_PYTHON = "/usr/bin/python3"
_SERVER = Path(__file__).parent / "servers" / "rtsp.py"


def numbered(number: int, width: int = 160, height: int = 120) -> Image:
    """Return a picture of a disc that carries a number below 4096."""
    image, _ = disc(width, height, width / 2, 50, 28)
    for bit in range(_BITS):
        value = 235 if number >> bit & 1 else 16
        image[height - _BLOCK :, bit * _BLOCK : (bit + 1) * _BLOCK] = value
    return image


def number_of(image: Image) -> int:
    """Return the number that a picture carries."""
    row = image[image.shape[0] - _BLOCK // 2]
    return sum(int(row[bit * _BLOCK + _BLOCK // 2].mean() > 128) << bit for bit in range(_BITS))


def numbers_in(path: Path) -> list[int]:
    """Return the numbers of a video's frames."""
    with av.open(str(path)) as container:
        return [number_of(f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]


def write_numbered(path: Path, count: int, codec: str = "libx264", **more: str) -> Path:
    """Write a video of numbered pictures: one slice each, and a key frame every half second."""
    options = {"threads": "1", "preset": "ultrafast", "g": "12", "crf": "12", "bf": "0", **more}
    return write_video(path, [numbered(i) for i in range(count)], codec=codec, options=options)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@cache
def has_gstreamer() -> bool:
    code = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst; "
    code += "Gst.init(None); assert all(map(Gst.ElementFactory.find, "
    code += "('matroskademux', 'rtph264pay', 'filesrc')))"
    try:
        done = subprocess.run([_PYTHON, "-c", code], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


class RtspServer:
    """GStreamer's, playing numbered pictures from 0 on whenever it is started."""

    def __init__(self, video: Path) -> None:
        if not has_gstreamer():
            pytest.skip("GStreamer's RTSP server is not installed")
        self.video, self.port = video, free_port()
        self.url = f"rtsp://127.0.0.1:{self.port}/eye"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [_PYTHON, str(_SERVER), str(self.video), str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None


@contextmanager
def udp_sender(port: int) -> Iterator[UdpSender]:
    """Send numbered pictures as MPEG-TS to a port of this machine until the block ends."""
    sender = UdpSender(port)
    try:
        yield sender
    finally:
        sender.stop()


class UdpSender:
    """Sends until it is stopped; a new `size` or `first` number starts a new stream at once."""

    def __init__(self, port: int) -> None:
        self.port, self.size = port, (160, 120)
        self.sent = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._send(self.size)

    def _send(self, size: tuple[int, int]) -> None:
        url = f"udp://127.0.0.1:{self.port}?pkt_size=1316"
        with av.open(url, "w", format="mpegts") as container:
            options = {"tune": "zerolatency", "preset": "ultrafast", "g": "5", "threads": "1"}
            stream = container.add_stream("libx264", rate=RATE, options=options)
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            while not self._stopped.is_set() and size == self.size:
                frame = av.VideoFrame.from_ndarray(numbered(self.sent, *size), "rgb24")
                frame.pts, frame.time_base = self.sent, Fraction(1, RATE)
                container.mux(stream.encode(frame))
                self.sent += 1
                time.sleep(1 / RATE)
