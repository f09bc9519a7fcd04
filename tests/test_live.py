"""Live sources: exact counts, real times, and back after an outage."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from conftest import BrightnessEngine, read_video, write_video
from live_sources import (
    RATE,
    RtspServer,
    free_port,
    numbered,
    numbers_in,
    udp_sender,
    write_numbered,
)
from waiting import PATIENCE_S, wait_for_port, wait_until

from cornea_stream.errors import SourceError, UsageError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.address import find_address
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.plan import plan_run
from cornea_stream.runs.result import RunResult
from cornea_stream.runs.run import run_source
from cornea_stream.sources import network, open_source


@dataclass
class Run:
    """A run in a thread, with what it said."""

    work: Callable[[threading.Event, Run], RunResult]
    stop: threading.Event = field(default_factory=threading.Event)
    notes: list[str] = field(default_factory=list)
    shown: int = 0
    results: list[RunResult] = field(default_factory=list)
    raised: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.results.append(self.work(self.stop, self))
        except BaseException as error:
            self.raised.append(error)

    def wait_for(self, happened: Callable[[], bool], what: str) -> None:
        wait_until(lambda: happened() or not self._thread.is_alive(), what)
        assert happened(), (what, self.raised, self.notes)

    def wait_for_more(self, frames: int) -> None:
        wanted = self.shown + frames
        self.wait_for(lambda: self.shown >= wanted, f"{frames} more frames")

    def finish(self) -> RunResult:
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the run hangs"
        if self.raised:
            raise self.raised[0]
        return self.results[0]


def run_live(url: str, out: Path, segmenter: Segmenter, **options: Any) -> Run:
    def work(stop: threading.Event, run: Run) -> RunResult:
        def count(progress: Any) -> None:
            run.shown = progress.frames

        chosen = RunOptions(metrics=True, **options)
        return run_source(
            url, out, segmenter, chosen, stop=stop, on_progress=count, on_note=run.notes.append
        )

    return Run(work)


class SlowEngine(BrightnessEngine):
    """Slower than the sources here."""

    batch_size = in_flight = 1

    def submit(self, images: Any) -> Any:
        time.sleep(0.1)
        return super().submit(images)


@pytest.fixture
def rtsp(tmp_path: Path) -> Iterator[RtspServer]:
    server = RtspServer(write_numbered(tmp_path / "numbers.mkv", 1500))
    server.start()
    yield server
    server.kill()


def rows(folder: Path) -> list[tuple[int, float]]:
    with (folder / "metrics.csv").open() as file:
        return [(int(row["frame"]), float(row["time_s"])) for row in csv.DictReader(file)]


def test_a_killed_server_comes_back_and_every_frame_is_accounted_for(
    rtsp: RtspServer, tmp_path: Path, segmenter: Segmenter
) -> None:
    segmenter.engine = SlowEngine()
    url = rtsp.url.replace("//", "//surgeon:hunter2@") + "?token=hunter3"
    run = run_live(url, tmp_path / "out", segmenter)
    run.wait_for_more(10)
    rtsp.kill()
    run.wait_for(lambda: len(run.notes) == 1, "the loss")
    rtsp.start()
    run.wait_for(lambda: len(run.notes) == 2, "the return")
    run.wait_for_more(10)
    run.stop.set()
    result = run.finish()
    assert result.status == "interrupted"
    assert "went away" in run.notes[0]
    assert "is back" in run.notes[1]
    assert "the source went away and came back once" in result.warnings
    folder = Path(result.folder)
    assert folder.name == f"127.0.0.1-{rtsp.port}-eye"

    live = json.loads((folder / "run.json").read_text())["live"]
    assert live["received"] == live["shown"] + live["dropped"]
    assert live["dropped"] > live["shown"] / 2
    assert 0 < live["latency_p50_ms"] <= live["latency_p95_ms"]
    table = rows(folder)
    indices, times = [index for index, _ in table], [time_s for _, time_s in table]
    assert live["shown"] == result.frames == len(table)
    assert indices[-1] + 1 == live["received"]

    # The pictures' own numbers say how many were sent: none between two shown ones went uncounted.
    numbers = numbers_in(folder / "overlay.mp4")
    assert len(numbers) == len(table)
    restart = next(i for i in range(1, len(numbers)) if numbers[i] < numbers[i - 1])
    for part in (slice(0, restart), slice(restart, None)):
        assert len({n - i for n, i in zip(numbers[part], indices[part], strict=True)}) == 1
    # Distances are those of the sender, and the outage is in the times.
    for a, b in pairwise(range(len(table))):
        if b == restart:
            assert times[b] - times[a] > 0.5
        elif a not in (0, restart):  # GStreamer gives the first picture no time
            assert times[b] - times[a] == pytest.approx((indices[b] - indices[a]) / RATE, abs=1e-3)
    played = [time_s for time_s, _ in read_video(folder / "overlay.mp4")]
    assert played == pytest.approx(times, abs=1e-3)
    for file in folder.iterdir():
        assert b"hunter" not in file.read_bytes()
    assert not any("hunter" in text for text in (repr(result), *run.notes))


def test_a_source_that_stays_away_ends_the_recording_in_order(
    rtsp: RtspServer, tmp_path: Path, segmenter: Segmenter
) -> None:
    run = run_live(rtsp.url, tmp_path / "out", segmenter, reconnect_s=1.0, mask=True)
    run.wait_for_more(10)
    rtsp.kill()
    result = run.finish()
    assert result.status == "complete"
    assert any("did not come back within 1 s" in warning for warning in result.warnings)
    folder = Path(result.folder)
    assert len(numbers_in(folder / "overlay.mp4")) == result.frames
    assert len(read_video(folder / "mask.mkv")) == result.frames
    assert json.loads((folder / "run.json").read_text())["warnings"] == result.warnings


def test_a_stop_ends_the_waiting_for_a_source_at_once(
    rtsp: RtspServer, tmp_path: Path, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cornea_stream.sources.live._FIRST_PAUSE_S", 1e6)
    run = run_live(rtsp.url, tmp_path / "out", segmenter, reconnect_s=1e6)
    run.wait_for_more(5)
    rtsp.kill()
    run.wait_for(lambda: bool(run.notes), "the loss")
    run.stop.set()
    assert run.finish().status == "interrupted"


def test_without_live_every_frame_of_a_slow_run_is_processed(
    rtsp: RtspServer, tmp_path: Path, segmenter: Segmenter
) -> None:
    segmenter.engine = SlowEngine()
    run = run_live(rtsp.url, tmp_path / "out", segmenter, live=False, end_s=2.0)
    result = run.finish()
    assert result.live is None
    assert numbers_in(Path(result.folder) / "overlay.mp4") == list(range(result.frames))
    assert result.frames >= 2 * RATE - 2


def test_ctrl_c_ends_a_live_run_with_130_and_a_video_that_plays(
    rtsp: RtspServer, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    process = subprocess.Popen(
        [*(sys.executable, "-m", "cornea_stream", "run", rtsp.url, "-o", str(tmp_path / "out")),
         *("--frames", "--checkpoint", str(tiny_checkpoint), "--backend", "torch")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"COLUMNS": "300"},
    )  # fmt: skip
    folder = tmp_path / "out" / f"127.0.0.1-{rtsp.port}-eye"
    wait_until(lambda: len(list(folder.glob("frames/*_mask.png"))) >= 5, "five masks")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, err
    told = json.loads((folder / "run.json").read_text())
    assert told["status"] == "interrupted"
    assert len(numbers_in(folder / "overlay.mp4")) == told["frames"] == told["live"]["shown"] >= 5
    assert f"{told['live']['received']} frames received, {told['frames']} shown" in out
    assert "latency p50" in out


def test_udp_that_changes_its_size_goes_on(tmp_path: Path, segmenter: Segmenter) -> None:
    port = free_port(socket.SOCK_DGRAM)
    with udp_sender(port) as sender:
        run = run_live(f"udp://127.0.0.1:{port}", tmp_path / "out", segmenter)
        run.wait_for_more(10)
        sender.size = (320, 240)
        run.wait_for_more(20)
        run.stop.set()
        result = run.finish()
    assert any("size changed" in warning for warning in result.warnings)
    assert result.live is not None
    assert result.live.received == result.live.shown + result.live.dropped <= sender.sent
    played = read_video(Path(result.folder) / "overlay.mp4")
    assert len(played) == result.frames
    assert {(frame.width, frame.height) for _, frame in played} == {(160, 120)}


def test_udp_that_falls_silent_is_waited_for(
    tmp_path: Path, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "READ_TIMEOUT_S", 0.3)
    port = free_port(socket.SOCK_DGRAM)
    with udp_sender(port):
        run = run_live(f"udp://127.0.0.1:{port}", tmp_path / "out", segmenter)
        run.wait_for_more(5)
    run.wait_for(lambda: bool(run.notes), "the silence")
    assert "nothing arrived for 0.3 s" in run.notes[0]
    with udp_sender(port):
        run.wait_for(lambda: "is back" in run.notes[-1], "the return")
        run.wait_for_more(5)
        run.stop.set()
        result = run.finish()
    assert len(read_video(Path(result.folder) / "overlay.mp4")) == result.frames >= 10


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the ffmpeg command is not here")
def test_rtmp_with_b_frames_keeps_order(tmp_path: Path, segmenter: Segmenter) -> None:
    video = write_numbered(tmp_path / "v.mkv", 60, bf="2", preset="veryfast")
    port = free_port()
    url = f"rtmp://127.0.0.1:{port}/live/eye"
    command = ["ffmpeg", "-v", "error", "-re", "-i", str(video), "-c", "copy", "-f", "flv"]
    sender = subprocess.Popen([*command, "-listen", "1", url])
    try:
        wait_for_port(port)
        run = run_live(url, tmp_path / "out", segmenter, live=False)
        result = run.finish()
    finally:
        sender.kill()
        sender.wait()
    assert numbers_in(Path(result.folder) / "overlay.mp4") == list(range(result.frames))
    assert result.frames >= 58


def test_what_cannot_be_reached_or_makes_no_sense(tmp_path: Path, segmenter: Segmenter) -> None:
    port = free_port()
    for url in (f"rtsp://me:hunter2@127.0.0.1:{port}/x", f"rtmp://me:hunter2@127.0.0.1:{port}/a/b"):
        with pytest.raises(SourceError, match=rf"cannot open rt.*127\.0\.0\.1:{port}/") as caught:
            run_source(url, tmp_path, segmenter)
        assert "hunter2" not in str(caught.value)
        assert caught.value.__cause__ is None
    with pytest.raises(SourceError, match=r"cannot open /dev/video77.*plugged in"):
        open_source("/dev/video77")
    with pytest.raises(UsageError, match="SRT"):
        open_source("srt://127.0.0.1:9000")
    with pytest.raises(UsageError, match="cannot be read: use rtsp"):
        open_source("gopher://127.0.0.1/x")
    with pytest.raises(UsageError, match=r"leave out start_s$"):
        open_source(f"rtsp://127.0.0.1:{port}/x", start_s=3)
    video = write_video(tmp_path / "v.mp4", [numbered(i) for i in range(3)])
    with pytest.raises(UsageError, match="not a live source"):
        run_source(video, tmp_path / "out", segmenter, RunOptions(live=True))
    address = find_address("rtsp://127.0.0.1/x")
    assert address is not None
    with pytest.raises(UsageError, match=r"begins now.*leave out start_s$"):
        plan_run(address, tmp_path, RunOptions(start_s=3), segmenter.mask_settings)
    with pytest.raises(UsageError, match="cannot be resumed"):
        run_source("rtsp://127.0.0.1/x", tmp_path / "out", segmenter, RunOptions(resume=True))
