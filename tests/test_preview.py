"""The preview: seen in a browser, by those who know the address, without holding anything up."""

from __future__ import annotations

import http.client
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from queue import Queue
from urllib.parse import urlsplit

import av
import cv2
import numpy as np
import pytest
from conftest import disc, moving_discs, write_video
from waiting import PATIENCE_S, wait_until

from cornea_stream.cli import main
from cornea_stream.errors import OutputError
from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.frame import Frame, MediaInfo
from cornea_stream.media.overlay import OverlayStyle
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_stream.sinks import Preview, PreviewSettings

INFO = MediaInfo(Path("a <b>.mp4"), "video", 160, 120, "yuv420p", Fraction(1, 1000), Fraction(25))
GREENED = np.add((210, 200, 220), (0, 255, 0)) / 2


def segmentation(index: int, *, received_s: float | None = None, x: int = 50) -> Segmentation:
    picture, mask = disc(160, 120, x, 60, 28)
    video = av.VideoFrame.from_ndarray(picture, format="rgb24")
    video.pts, video.time_base = 40 * index, Fraction(1, 1000)
    return Segmentation(Frame(index, 0.04 * index, video, received_s), mask, 0.9)


@pytest.fixture
def preview() -> Iterator[Preview]:
    served = Preview(PreviewSettings(), INFO, OverlayStyle())
    yield served
    served.abort()


def ask(
    address: str, what: str = "", method: str = "GET", **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    parts = urlsplit(address)
    with closing(
        http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE_S)
    ) as line:
        line.request(method, parts.path + what, headers=headers)
        reply = line.getresponse()
        return reply.status, reply.headers, reply.read()


def decode(jpeg: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)


def test_the_picture_is_the_newest_overlay(preview: Preview) -> None:
    for index in range(5):
        preview.write(segmentation(index, x=50 + 10 * index))
    status, headers, jpeg = ask(preview.address, "picture?after=0")
    assert (status, headers["X-Number"]) == (200, "5")
    image = decode(jpeg)
    assert image.shape == (120, 160, 3)
    assert np.abs(image[60, 90] - GREENED).max() < 20
    assert np.abs(image[60, 50] - (40, 50, 60)).max() < 20
    facts = json.loads(headers["X-Facts"])
    assert facts["time_s"] == 0.16
    assert facts["fps"] > 0
    assert facts["latency_ms"] is None
    for index in range(5, 9):
        preview.write(segmentation(index, received_s=time.perf_counter() - 0.3))
    _, headers, _ = ask(preview.address, "picture?after=0")  # another page: the newest as well
    assert headers["X-Number"] == "9"
    assert json.loads(headers["X-Facts"])["latency_ms"] >= 300


def test_a_page_waits_for_the_next_picture(preview: Preview) -> None:
    preview.write(segmentation(0))
    answers: Queue[tuple[int, http.client.HTTPMessage, bytes]] = Queue()
    thread = threading.Thread(
        target=lambda: answers.put(ask(preview.address, "picture?after=1")), daemon=True
    )
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()  # nothing newer than picture 1 so far
    preview.write(segmentation(1))
    status, headers, _ = answers.get(timeout=PATIENCE_S)
    assert (status, headers["X-Number"]) == (200, "2")


@pytest.mark.parametrize(
    ("stored", "rotation", "aspect", "shape"),
    [
        ((160, 120), 0, None, (120, 160)),
        ((160, 120), 90, None, (160, 120)),
        ((160, 120), 0, Fraction(3, 2), (120, 240)),
        ((160, 120), 90, Fraction(2), (160, 60)),
        ((1920, 1080), 0, None, (540, 960)),
        ((161, 121), 0, None, (122, 162)),
    ],
)
def test_shape_of_the_picture(
    tmp_path: Path,
    segmenter: Segmenter,
    stored: tuple[int, int],
    rotation: int,
    aspect: Fraction | None,
    shape: tuple[int, int],
) -> None:
    def prepare(stream: av.VideoStream) -> None:
        if rotation:
            stream.set_display_rotation(rotation)
        if aspect:
            stream.sample_aspect_ratio = aspect

    pix_fmt = "yuv444p" if stored[0] % 2 else "yuv420p"
    picture = disc(*stored, 50, 60, 28)[0]
    path = write_video(tmp_path / "v.mp4", [picture], prepare=prepare, pix_fmt=pix_fmt)
    answers: Queue[bytes] = Queue()

    def look(note: str) -> None:
        def fetch() -> None:
            answers.put(ask(note.removeprefix("Preview: "), "picture?after=0")[2])

        threading.Thread(target=fetch, daemon=True).start()

    def check(progress: object) -> None:
        assert decode(answers.get(timeout=PATIENCE_S)).shape[:2] == shape

    options = RunOptions(overlay=False, preview=PreviewSettings())
    result = run_source(path, tmp_path / "out", segmenter, options, on_note=look, on_progress=check)
    assert result.frames == 1


def test_nothing_is_painted_unasked_and_nobody_waits(
    preview: Preview, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted: list[int] = []
    make = preview._make
    monkeypatch.setattr(preview, "_make", lambda s, n, t: painted.append(n) or make(s, n, t))
    parts = urlsplit(preview.address)
    slow = socket.create_connection((parts.hostname, parts.port))
    with closing(slow):  # asks once, and never reads the answer
        slow.sendall(f"GET {parts.path}picture HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        for index in range(500):
            preview.write(segmentation(index))
    preview.close()
    assert len(painted) <= 2
    assert painted[-1] == 500


def test_only_those_who_know_the_address_and_name_this_machine(preview: Preview) -> None:
    preview.write(segmentation(0))
    parts = urlsplit(preview.address)
    assert parts.hostname == "127.0.0.1"
    assert len(parts.path.strip("/")) >= 20
    base = f"http://{parts.netloc}"
    for path in ("", "/", "/picture", "/wrong/", "/wrong/picture", parts.path[:-2] + "/"):
        assert ask(base + path)[0] == 404
    assert ask(preview.address, "../../etc/passwd")[0] == 404
    assert ask(preview.address, method="POST")[0] == 501
    assert ask(preview.address, "picture?after=x")[0] == 400
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", ""):
        for what in ("", "picture"):
            assert ask(preview.address, what, Host=host)[0] == 403
    for host in (parts.netloc, "localhost", f"LOCALHOST:{parts.port}", "[::1]:8000"):
        assert ask(preview.address, Host=host)[0] == 200


def test_the_page_keeps_its_address_and_runs_its_own_code_only(preview: Preview) -> None:
    status, headers, page = ask(preview.address)
    assert status == 200
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    policy = dict(p.strip().split(" ", 1) for p in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    nonce = policy["script-src"].removeprefix("'nonce-").removesuffix("'")
    assert page.count(f'nonce="{nonce}"'.encode()) == 2
    assert ask(preview.address)[1]["Content-Security-Policy"] != headers["Content-Security-Policy"]
    assert b"a &lt;b&gt;" in page
    assert b"{{" not in page


def test_tokens_differ() -> None:
    served = [Preview(PreviewSettings(), INFO, OverlayStyle()) for _ in range(2)]
    tokens = {urlsplit(one.address).path for one in served}
    for one in served:
        one.close()
    assert len(tokens) == 2


@pytest.mark.parametrize(("end", "told"), [("close", "finished"), ("abort", "stopped")])
def test_the_end_is_told_and_nothing_is_left(preview: Preview, end: str, told: str) -> None:
    before = threading.active_count()
    preview.write(segmentation(0))
    parts = urlsplit(preview.address)
    idle = http.client.HTTPConnection("127.0.0.1", parts.port)  # as browsers keep some
    idle.request("GET", parts.path)
    idle.getresponse().read()
    assert ask(preview.address, "picture?after=0&page=p")[0] == 200
    preview.write(segmentation(1))
    ending = threading.Thread(target=getattr(preview, end))
    ending.start()
    answers = [ask(preview.address, f"picture?after={number}&page=p") for number in (1, 2)]
    ending.join(PATIENCE_S)
    assert answers[0][1]["X-Number"] == "2"  # the last frame is shown
    assert (answers[1][0], answers[1][1]["X-Ending"]) == (204, told)
    with pytest.raises(ConnectionRefusedError):
        ask(preview.address)
    left = before - 2  # without the server and the painter
    wait_until(lambda: threading.active_count() <= left, "the end of the threads")
    assert threading.active_count() == left
    idle.close()


def test_a_port_that_is_taken(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(2))
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        options = RunOptions(preview=PreviewSettings(port=port))
        with pytest.raises(OutputError, match=rf"127.0.0.1:{port}: .*: choose another port"):
            run_source(path, tmp_path / "out", segmenter, options)
    assert not (tmp_path / "out" / "v" / "overlay.mp4").exists()


@pytest.mark.parametrize("host", ["no such host", "256.1.1.1"])
def test_a_host_that_is_not_ours(tmp_path: Path, segmenter: Segmenter, host: str) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(2))
    options = RunOptions(preview=PreviewSettings(host))
    with pytest.raises(OutputError, match="cannot serve a preview"):
        run_source(path, tmp_path / "out", segmenter, options)


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tiny_checkpoint: Path
) -> Callable[..., tuple[int, str]]:
    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["cornea-stream", "run", *map(str, arguments)])
        with pytest.raises(SystemExit) as exited:
            main()
        return int(exited.value.code or 0), capsys.readouterr().err

    return run


def test_quiet_runs_tell_the_address(
    tmp_path: Path, tiny_checkpoint: Path, call: Callable[..., tuple[int, str]]
) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(2))
    code, told = call(
        path, "-o", tmp_path / "out", "--preview", "--no-overlay", "--quiet", "--backend", "torch",
        "--checkpoint", tiny_checkpoint,
    )  # fmt: skip
    assert code == 0
    (line,) = told.splitlines()
    assert line.startswith("Preview: http://127.0.0.1:")
    assert {p.name for p in (tmp_path / "out" / "v").iterdir()} == {"run.json"}
    assert "127.0.0.1" not in (tmp_path / "out" / "v" / "run.json").read_text()  # nor the token


def test_one_source_at_a_time(tmp_path: Path, call: Callable[..., tuple[int, str]]) -> None:
    paths = [write_video(tmp_path / f"{name}.mp4", moving_discs(2)) for name in "ab"]
    code, told = call(*paths, "-o", tmp_path / "out", "--preview")
    assert code == 2
    assert "takes one source" in told
