"""Streams to addresses: real receivers on loopback, in real time, and receivers that fail."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import av
import numpy as np
import pytest
from conftest import disc, moving_discs, read_video, write_video
from live_sources import free_port
from test_pipeline import frames
from test_stream import Reader, check_that_frames_come_at_once
from waiting import PATIENCE_S, wait_for_port

from cornea_stream.cli import main
from cornea_stream.errors import OutputError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.pipeline.linked_event import LinkedEvent
from cornea_stream.pipeline.pipeline import Progress
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_stream.sinks.stream import stream
from cornea_stream.sinks.stream.relay import Relay
from cornea_stream.sinks.stream.target import parse_target
from cornea_stream.sources import pacing

SYSTEM_PYTHON = "/usr/bin/python3"
COUNT = 40
GREENED = np.add((210, 200, 220), (0, 255, 0)) / 2


def publish(*addresses: str, **more: object) -> RunOptions:
    targets = tuple(map(parse_target, addresses))
    return RunOptions(**{"streams": targets, "files": False, **more})  # type: ignore[arg-type]


class Receiver:
    """Takes a stream with PyAV in a thread; up to `limit` frames, then hangs up."""

    def __init__(
        self, address: str, options: dict[str, str] | None = None, limit: int = COUNT
    ) -> None:
        self.shown: list[tuple[float, np.ndarray]] = []
        self.sound = 0
        self._arguments = (address, options or {}, limit)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        parts = urlsplit(address)
        wait_for_port(
            parts.port or 0, socket.SOCK_DGRAM if parts.scheme == "udp" else socket.SOCK_STREAM
        )

    def _run(self) -> None:
        address, options, limit = self._arguments
        with av.open(address, options=options, timeout=(60, 5)) as container:
            try:
                for packet in container.demux():
                    if packet.stream.type == "audio":
                        self.sound += bool(packet.size)
                        continue
                    for frame in packet.decode():
                        image = frame.to_ndarray(format="rgb24").astype(int)
                        self.shown.append((float(frame.time or 0), image))
                    if len(self.shown) >= limit:
                        return
            except av.error.FFmpegError:
                return

    def wait(self) -> None:
        self._thread.join(PATIENCE_S)

    def check(self, fewest: int) -> None:
        """The overlay came in order, green on the disc, at its times."""
        assert len(self.shown) >= fewest
        begin = self.shown[0][0]
        first = COUNT - len(self.shown)  # what comes before the receiver is ready is lost
        for index, (at, image) in enumerate(self.shown):
            assert at - begin == pytest.approx(0.04 * index, abs=0.0011)
            x = 50 + first + index
            assert np.abs(image[60, x] - GREENED).max() < 25
            assert np.abs(image[110, 170] - (40, 50, 60)).max() < 12


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A disc that walks a pixel per frame, with sound."""
    pictures = [disc(200, 120, 50 + i, 60, 28)[0] for i in range(COUNT)]
    return write_video(tmp_path / "v.mp4", pictures, audio="aac")


def test_rtmp(tmp_path: Path, video: Path, segmenter: Segmenter) -> None:
    port = free_port()
    receiver = Receiver(f"rtmp://127.0.0.1:{port}/live/key", {"listen": "1"}, limit=999)
    result = run_source(video, tmp_path, segmenter, publish(f"rtmp://127.0.0.1:{port}/live/key"))
    receiver.wait()
    receiver.check(COUNT)
    assert receiver.sound > 30
    assert result.streams == [f"rtmp://127.0.0.1:{port}/live/…"]
    assert not (tmp_path / "v").exists()


def test_udp(tmp_path: Path, video: Path, segmenter: Segmenter) -> None:
    port = free_port(socket.SOCK_DGRAM)
    receiver = Receiver(f"udp://127.0.0.1:{port}?fifo_size=100000")
    run_source(video, tmp_path, segmenter, publish(f"udp://127.0.0.1:{port}"))
    receiver.wait()
    receiver.check(COUNT // 2)


def test_udp_datagrams_hold_whole_packets(
    tmp_path: Path, video: Path, segmenter: Segmenter
) -> None:
    sizes = set()
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        receiver.bind(("127.0.0.1", 0))
        address = f"udp://127.0.0.1:{receiver.getsockname()[1]}"
        run_source(video, tmp_path, segmenter, publish(address, realtime=False, crf=1))
        receiver.settimeout(1)
        while True:
            try:
                sizes.add(len(receiver.recv(9000)))
            except TimeoutError:
                break
    assert max(sizes) == 7 * 188
    assert all(size % 188 == 0 for size in sizes)


class DatagramReader(Reader):
    """Takes datagrams for as long as it lives."""

    container = "mpegts"

    def __init__(self, receiver: socket.socket) -> None:
        self.taken = bytearray()
        self._receiver = receiver
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        while data := self._receiver.recv(9000):
            self.taken += data


def test_the_network_gets_frames_at_once() -> None:
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    target = parse_target(f"udp://127.0.0.1:{receiver.getsockname()[1]}")
    check_that_frames_come_at_once(target, DatagramReader(receiver), behind=1)


def test_sigterm_to_all_processes_leaves_the_stream_to_its_owner(
    tmp_path: Path, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `systemctl stop` does; the owner then ends the stream in order."""
    path = write_video(tmp_path / "v.mp4", moving_discs(30) * 100)
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    reader = DatagramReader(receiver)
    stop = threading.Event()
    relays: list[Relay] = []

    def start(address: str, container: str, patience_s: float) -> Relay:
        relays.append(Relay(address, container, patience_s))
        return relays[-1]

    def end(progress: Progress) -> None:
        if reader.taken and not stop.is_set():
            os.kill(relays[0]._process.pid, signal.SIGTERM)
            stop.set()

    monkeypatch.setattr(stream, "Relay", start)
    options = publish(f"udp://127.0.0.1:{receiver.getsockname()[1]}")
    result = run_source(path, tmp_path, segmenter, options, stop=stop, on_progress=end)
    assert (result.status, result.warnings) == ("interrupted", [])
    assert 0 < result.frames < 3000


def test_only_what_is_paced_waits(
    tmp_path: Path, video: Path, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(pacing, "time", clock)
    monkeypatch.setattr(LinkedEvent, "wait", lambda _, timeout: clock.wait(timeout))
    address = f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}"
    run_source(video, tmp_path, segmenter, publish(address, realtime=False))
    assert clock.now_s == 100
    run_source(video, tmp_path, segmenter, publish(address))
    assert clock.now_s == pytest.approx(100 + 0.04 * (COUNT - 1))


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[tuple[str, Path, Path]]:
    """GStreamer's RTSP server, which records what is published: (address, pictures, sound)."""
    files = tmp_path / "recorded.h264", tmp_path / "recorded.aac"
    program = [SYSTEM_PYTHON, Path(__file__).parent / "servers" / "rtsp_recorder.py", *files]
    try:
        server = subprocess.Popen(
            [*map(str, program)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    except FileNotFoundError:
        pytest.skip("no system Python")
    assert server.stdout is not None
    try:
        port = server.stdout.readline().strip()
        if not port:
            pytest.skip("GStreamer's RTSP server is not installed")
        yield f"127.0.0.1:{port}/live", *files
    finally:
        server.kill()
        server.wait()


def test_rtsp(
    tmp_path: Path, video: Path, segmenter: Segmenter, recorder: tuple[str, Path, Path]
) -> None:
    place, pictures, sound = recorder
    result = run_source(video, tmp_path, segmenter, publish(f"rtsp://user:secret@{place}"))
    assert result.streams == [f"rtsp://{place}"]
    assert result.warnings == []  # none about the sound
    shown = read_video(pictures)
    # The server drops what it has not written when the client says good-bye.
    assert len(shown) > COUNT // 2
    for index, (_, frame) in enumerate(shown):
        image = frame.to_ndarray(format="rgb24").astype(int)
        assert np.abs(image[60, 50 + index] - GREENED).max() < 25
    assert sound.stat().st_size > 2_000


@pytest.mark.parametrize("scheme", ["rtmp", "rtsp"])
def test_nobody_there_is_one_sentence_without_secrets(
    tmp_path: Path,
    video: Path,
    tiny_checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    scheme: str,
) -> None:
    address = f"{scheme}://user:secret@127.0.0.1:{free_port()}/live/secret"
    if scheme == "rtsp":
        address = address.removesuffix("/secret")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        sys, "argv",
        ["cornea-stream", "run", str(video), "-o", address, "--verbose", "--backend", "torch",
         "--checkpoint", str(tiny_checkpoint)],
    )  # fmt: skip
    with pytest.raises(SystemExit) as exited:
        main()
    told = capfd.readouterr()
    assert exited.value.code == 5, told.err
    assert "Connection refused: check the receiver" in told.err
    assert "secret" not in told.out + told.err
    assert [path.name for path in tmp_path.iterdir()] == ["v.mp4"]


def test_a_receiver_that_says_nothing_is_given_up(
    tmp_path: Path, video: Path, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "PATIENCE_S", 1.0)
    with closing(socket.create_server(("127.0.0.1", 0))) as mute:
        address = f"rtmp://127.0.0.1:{mute.getsockname()[1]}/live/key"
        with pytest.raises(OutputError, match="nothing was accepted for 1 s"):
            run_source(video, tmp_path, segmenter, publish(address))


def hang_up_early() -> str:
    port = free_port()
    Receiver(f"rtmp://127.0.0.1:{port}/live/key", {"listen": "1"}, limit=5)
    return f"rtmp://127.0.0.1:{port}/live/key"


def test_a_receiver_that_leaves_ends_the_run(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(30) * 20)
    with pytest.raises(OutputError, match=r"cannot send: rtmp://127.0.0.1:\d+/live/…: "):
        run_source(path, tmp_path, segmenter, publish(hang_up_early(), realtime=False))


def test_a_receiver_that_leaves_does_not_spoil_the_files(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(30) * 20)
    options = publish(hang_up_early(), realtime=False, files=True)
    result = run_source(path, tmp_path / "out", segmenter, options)
    assert result.status == "complete"
    assert len(read_video(tmp_path / "out" / "v" / "overlay.mp4")) == 600
    (told,) = json.loads((tmp_path / "out" / "v" / "run.json").read_text())["warnings"]
    assert "Only the stream stopped" in told


class Clock:
    """Time that passes only while somebody waits."""

    def __init__(self, cost_s: float = 0.0) -> None:
        self.now_s, self.cost_s = 100.0, cost_s

    def monotonic(self) -> float:
        self.now_s += self.cost_s
        return self.now_s

    def wait(self, seconds: float) -> None:
        self.now_s += seconds


def test_a_file_is_read_as_fast_as_it_plays(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(pacing, "time", clock)
    paced = pacing.Paced(frames(10), clock)  # type: ignore[arg-type]
    given = [(clock.now_s - 100, frame.time_s) for frame in paced]
    assert [at for at, _ in given] == pytest.approx([time_s for _, time_s in given])
    assert paced.warnings == []


def test_what_cannot_keep_up_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(cost_s=1.0)
    monkeypatch.setattr(pacing, "time", clock)
    paced = pacing.Paced(frames(10), clock)  # type: ignore[arg-type]
    count = sum(1 for _ in paced)
    assert count == 10
    assert "slower than real time: 9 s behind" in paced.warnings[0]


@pytest.mark.parametrize(
    ("outputs", "realtime", "paced"),
    [
        ([], None, False),
        (["-"], None, False),
        (["udp://127.0.0.1:9"], None, True),
        (["udp://127.0.0.1:9"], False, False),
        (["-"], True, True),
    ],
)
def test_only_the_network_wants_real_time(
    outputs: list[str], realtime: bool | None, paced: bool
) -> None:
    assert publish(*outputs, realtime=realtime, files=True).paced is paced
