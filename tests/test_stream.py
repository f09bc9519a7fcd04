"""Streams: every frame at its time, at once, to a reader that may pause or leave."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
from fractions import Fraction
from pathlib import Path
from typing import IO

import av
import numpy as np
import pytest
from conftest import audio_packets, moving_discs, read_video, write_video
from waiting import PATIENCE_S, wait_until

from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.frame import Frame, MediaInfo
from cornea_stream.media.overlay import OverlayStyle, YuvPainter
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_stream.sinks import EncoderSettings, StreamSink, StreamTarget

SOON = ("--backend", "torch")  # starts sooner than OpenVINO
VFR = [0, 40, 81, 200, 240, 333, 500, 507, 940, 1000]


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "cornea_stream", "run", *map(str, arguments)]


def stream_to(target: StreamTarget, **more: object) -> RunOptions:
    return RunOptions(**{"streams": (target,), "files": False, **more})  # type: ignore[arg-type]


class Reader:
    """Takes everything out of a pipe, in a thread."""

    container: str | None = None  # what to look for

    def __init__(self) -> None:
        read, self.fd = os.pipe()
        self.taken = bytearray()
        self._thread = threading.Thread(target=self._run, args=(read,), daemon=True)
        self._thread.start()

    def _run(self, fd: int) -> None:
        with os.fdopen(fd, "rb", buffering=0) as pipe:
            while data := pipe.read(1 << 16):
                self.taken += data

    def frames(self) -> int:
        """How many frames can be shown by now."""
        try:
            with av.open(io.BytesIO(bytes(self.taken)), format=self.container) as container:
                return sum(1 for packet in container.demux(video=0) if packet.size)
        except av.error.FFmpegError:
            return 0

    def wait(self) -> bytes:
        self._thread.join(PATIENCE_S)
        return bytes(self.taken)


@pytest.fixture
def pipe() -> Reader:
    return Reader()


@pytest.mark.parametrize(
    ("container", "more"), [("matroska", []), ("mpegts", ["--json"])], ids=["matroska", "mpegts"]
)
def test_standard_output_is_the_overlay_with_sound_and_nothing_else(
    tmp_path: Path, tiny_checkpoint: Path, elsewhere: Path, container: str, more: list[str]
) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(10), pts=VFR, audio="aac")
    done = subprocess.run(
        command(
            path, "-o", "-", "--stream-format", container, "--checkpoint", tiny_checkpoint, *more
        ),
        capture_output=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    streamed = tmp_path / "streamed"
    streamed.write_bytes(done.stdout)
    shown = read_video(streamed)
    begin = shown[0][0]  # MPEG-TS starts somewhere
    assert [round(1000 * (at - begin)) for at, _ in shown] == VFR
    assert len(audio_packets(streamed)) == len(audio_packets(path))
    with av.open(str(streamed)) as opened:
        assert opened.format.name.split(",")[0] == container
    if more:
        (told,) = json.loads(done.stderr)
        assert (told["streams"], told["outputs"]) == (["standard output"], [])
    else:
        assert b"standard output" in done.stderr  # the summary
    assert list(elsewhere.iterdir()) == []


def test_overlay_is_painted_upright(tmp_path: Path, segmenter: Segmenter, pipe: Reader) -> None:
    path = write_video(
        tmp_path / "v.mp4", moving_discs(2), prepare=lambda s: s.set_display_rotation(90)
    )
    run_source(path, tmp_path, segmenter, stream_to(StreamTarget("-", "matroska", pipe.fd)))
    assert not (tmp_path / "v").exists()
    streamed = tmp_path / "streamed.mkv"
    streamed.write_bytes(pipe.wait())
    _, frame = read_video(streamed)[0]
    assert (frame.width, frame.height, frame.rotation) == (120, 160, 0)
    image = frame.to_ndarray(format="rgb24").astype(int)
    turned = np.rot90(moving_discs(1)[0])
    assert np.abs(image[160 - 50, 60] - np.add(turned[160 - 50, 60], (0, 255, 0)) / 2).max() < 12
    assert np.abs(image[20, 100] - (40, 50, 60)).max() < 12


@pytest.mark.parametrize("container", ["matroska", "mpegts"])
def test_sound_of_a_transport_stream_is_streamed(
    tmp_path: Path, segmenter: Segmenter, pipe: Reader, container: str
) -> None:
    """What cannot be sought in wants its AAC bare, and described in the header."""
    path = write_video(tmp_path / "v.ts", moving_discs(25), audio="aac")
    result = run_source(path, tmp_path, segmenter, stream_to(StreamTarget("-", container, pipe.fd)))
    assert result.warnings == []
    with av.open(str(path)) as source, av.open(io.BytesIO(pipe.wait())) as streamed:
        wanted, found = (
            np.concatenate([frame.to_ndarray() for frame in opened.decode(audio=0)], axis=1)
            for opened in (source, streamed)
        )
    assert np.array_equal(found, wanted)


def test_masks_are_streamed_lossless(tmp_path: Path, segmenter: Segmenter, pipe: Reader) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(5))
    target = StreamTarget("-", "matroska", pipe.fd)
    run_source(path, tmp_path, segmenter, stream_to(target, overlay=False, mask=True))
    streamed = tmp_path / "streamed.mkv"
    streamed.write_bytes(pipe.wait())
    run_source(path, tmp_path / "out", segmenter, RunOptions(overlay=False, mask=True))
    wanted = read_video(tmp_path / "out" / "v" / "mask.mkv")
    for (at, mask), (wanted_at, other) in zip(read_video(streamed), wanted, strict=True):
        assert at == wanted_at
        assert np.array_equal(mask.to_ndarray(format="gray"), other.to_ndarray(format="gray"))


@pytest.mark.parametrize(("container", "behind"), [("matroska", 1), ("mpegts", 0)])
def test_frames_come_at_once(tmp_path: Path, pipe: Reader, container: str, behind: int) -> None:
    """The reader is given every frame, at latest with the next one, while the stream goes on."""
    check_that_frames_come_at_once(StreamTarget("-", container, pipe.fd), pipe, behind)


def check_that_frames_come_at_once(target: StreamTarget, reader: Reader, behind: int) -> None:
    info = MediaInfo(Path("v"), "video", 160, 120, "yuv420p", Fraction(1, 1000), Fraction(25))
    painter = YuvPainter(OverlayStyle())
    sink = StreamSink(target, info, EncoderSettings(options={"crf": "20"}), painter)
    for index, picture in enumerate(moving_discs(12)):
        video = av.VideoFrame.from_ndarray(picture, format="rgb24")
        video.pts, video.time_base = 40 * index, info.time_base
        sink.write(Segmentation(Frame(index, 0.04 * index, video), picture[..., 0] // 255, 0.0))
        if index:
            wanted = index + 1 - behind
            wait_until(lambda wanted=wanted: reader.frames() >= wanted, f"frame {wanted}")
    sink.close()


def test_a_reader_that_leaves_ends_the_run_quietly(
    tmp_path: Path, tiny_checkpoint: Path, elsewhere: Path
) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(30) * 40)
    run = subprocess.Popen(
        command(path, "-o", "-", "--checkpoint", tiny_checkpoint, *SOON),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert run.stdout is not None
    assert run.stderr is not None
    run.stdout.read(1000)
    run.stdout.close()
    told = run.stderr.read().decode()
    assert run.wait(PATIENCE_S) == 141
    assert "Error" not in told
    assert "Traceback" not in told
    assert list(elsewhere.iterdir()) == []


def waiting(pipe: IO[bytes] | None) -> int:
    """Return how many bytes wait in a pipe."""
    assert pipe is not None
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_a_reader_that_pauses_is_waited_for_until_ctrl_c_twice(
    tmp_path: Path, tiny_checkpoint: Path
) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(30) * 40)
    run = subprocess.Popen(
        command(path, "-o", "-", "--crf", 0, "--checkpoint", tiny_checkpoint, *SOON),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert run.stdout is not None
        assert run.stderr is not None
        fcntl.fcntl(run.stdout, fcntl.F_SETPIPE_SZ, 4096)  # far less than what is in flight
        run.stdout.read(1000)
        wait_until(lambda: waiting(run.stdout) > 0, "more than is read")
        run.send_signal(signal.SIGINT)
        assert b"Ctrl-C again" in run.stderr.readline()
        assert run.poll() is None
        run.send_signal(signal.SIGINT)
        assert run.wait(PATIENCE_S) == 130
    finally:
        run.kill()


def test_ctrl_c_ends_a_stream_that_plays(tmp_path: Path, tiny_checkpoint: Path) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(30) * 40)
    run = subprocess.Popen(
        command(path, "-o", "-", "--realtime", "--checkpoint", tiny_checkpoint, *SOON),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
    )  # fmt: skip
    assert run.stdout is not None
    begin = run.stdout.read(1000)
    run.send_signal(signal.SIGINT)
    rest, told = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 130
    assert b"the outputs play" in told
    streamed = tmp_path / "streamed.mkv"
    streamed.write_bytes(begin + rest)
    assert 0 < len(read_video(streamed)) < 1200


def test_files_beside_a_stream(tmp_path: Path, segmenter: Segmenter, pipe: Reader) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(5))
    options = stream_to(StreamTarget("-", "mpegts", pipe.fd), files=True, metrics=True)
    result = run_source(path, tmp_path / "out", segmenter, options)
    streamed = tmp_path / "streamed.ts"
    streamed.write_bytes(pipe.wait())
    folder = tmp_path / "out" / "v"
    assert {p.name for p in folder.iterdir()} == {"overlay.mp4", "metrics.csv", "run.json"}
    assert len(read_video(streamed)) == len(read_video(folder / "overlay.mp4")) == 5
    assert result.streams == ["standard output"]


def test_a_terminal_is_no_place_for_video(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(2))
    ours, theirs = pty.openpty()
    done = subprocess.run(
        command(path, "-o", "-"), stdout=theirs, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 2
    assert "standard output is a terminal" in done.stderr
