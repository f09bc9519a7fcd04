"""Addresses: nothing secret is shown, and what is behind them reaches no file and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import av
import pytest
from conftest import moving_discs, read_video, write_video
from waiting import PATIENCE_S, wait_until

from cornea_stream.cli import main
from cornea_stream.errors import SourceError, UsageError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.address import find_address, lone_address, without_secrets
from cornea_stream.runs.run import run_source
from cornea_stream.sinks.stream.target import parse_target
from cornea_stream.sources import open_source

VFR = [0, 40, 81, 200, 240, 333, 500, 507, 940, 1000]


@pytest.mark.parametrize(
    ("text", "shown", "name"),
    [
        ("rtsp://me:pw@10.0.0.5:554/cam/1?t=pw", "rtsp://10.0.0.5:554/cam/1", "10.0.0.5-554-cam-1"),
        ("RTSP://pw@host/x#pw", "rtsp://host/x", "host-x"),
        ("rtmp://host/app/..", "rtmp://host/app/..", "host-app"),
        ("udp://@:1234", "udp://:1234", "udp-1234"),
        ("rtsp://[::1]:8554/x", "rtsp://[::1]:8554/x", "1-8554-x"),
        ("/dev/video3", "/dev/video3", "video3"),
        ("-", "-", "stdin"),
    ],
)
def test_an_address_without_its_secrets(text: str, shown: str, name: str) -> None:
    address = find_address(text)
    assert address is not None
    assert str(address) == shown
    assert address.name == name
    assert "pw" not in f"{address!r} {address} {address.name}"


@pytest.mark.parametrize("text", ["v.mp4", "a b/c:d.mp4", "./-", "/dev/null", "rtsp:/x"])
def test_paths_are_no_addresses(text: str) -> None:
    assert find_address(text) is None
    assert find_address(Path("-")) is None


@pytest.mark.parametrize(
    "text",
    ["rtsp://me:p/w@host/x", "rtsp://me:p#w@host/x", "rtsp:///x", "http://h:0/", "file:///p/w",
     "rtsp://me:7/p/w@host/x", "rtmp://me:77?p/w@host/x", "rtsp://me:7#p/w@host/x"],
)  # fmt: skip
def test_unusable_addresses_are_refused_without_showing_them(text: str) -> None:
    for parse in (find_address, parse_target):
        with pytest.raises(UsageError) as caught:
            parse(text)
        assert "p/w" not in str(caught.value)
        assert "p#w" not in str(caught.value)
        assert "me" not in str(caught.value).split()


# --- the web


class Web:
    """A web server on this machine: what it answers by path, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, bytes | str] = {}  # content, or where to go instead
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.asked.append(self.path)
                answer = web.answers.get(self.path.partition("?")[0])
                if isinstance(answer, str):
                    self.send_response(302)
                    self.send_header("Location", answer)
                    self.end_headers()
                elif answer is None:
                    self.send_error(404)
                else:
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def web() -> Iterator[Web]:
    made = Web()
    yield made
    made.close()


def test_a_video_from_the_web_is_read_like_a_file(
    web: Web, tmp_path: Path, segmenter: Segmenter
) -> None:
    file = write_video(tmp_path / "v.mkv", moving_discs(10), pts=VFR)
    web.answers["/v.mkv"] = file.read_bytes()
    result = run_source(f"{web.url}/v.mkv?key=hunter2", tmp_path / "out", segmenter)
    assert result.live is None
    times = [round(1000 * time_s) for time_s, _ in read_video(Path(result.folder) / "overlay.mp4")]
    assert times == VFR
    assert "hunter2" not in (Path(result.folder) / "run.json").read_text()
    assert any("key=hunter2" in path for path in web.asked)


@pytest.mark.parametrize("live", [False, True])
def test_the_web_leads_to_no_file_and_no_playlist(web: Web, tmp_path: Path, live: bool) -> None:
    secret = write_video(tmp_path / "secret.ts", moving_discs(3))
    web.answers["/secret.ts"] = secret.read_bytes()
    lists = {
        "/a.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:8,\n{}\n#EXT-X-ENDLIST\n",
        "/a.ffconcat": "ffconcat version 1.0\nfile {}\n",
    }
    for target in (str(secret), secret.as_uri(), f"{web.url}/secret.ts", "secret.ts"):
        web.answers |= {path: text.format(target).encode() for path, text in lists.items()}
        for path in lists:
            with pytest.raises(SourceError, match="playlists are not followed"):
                open_source(web.url + path, live=live)
    for path, target in (("/to-file", secret.as_uri()), ("/to-path", str(secret))):
        web.answers[path] = target
        with pytest.raises(SourceError, match="cannot open"):
            open_source(web.url + path, live=live)
    assert "/secret.ts" not in web.asked
    with open_source(f"{web.url}/secret.ts", live=live) as source:  # it is a video, after all
        assert next(iter(source)).size == (120, 160)


# --- standard input


def piped(checkpoint: Path, out: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "cornea_stream", "run", "-", "-o", str(out), "--mask"]
    return subprocess.Popen(
        [*command, "--checkpoint", str(checkpoint), "--backend", "torch", *more],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"COLUMNS": "300"},
    )  # fmt: skip


def test_standard_input_is_read_like_a_file(tmp_path: Path, tiny_checkpoint: Path) -> None:
    file = write_video(tmp_path / "v.mkv", moving_discs(10), pts=VFR)
    process = piped(tiny_checkpoint, tmp_path / "out")
    _, err = process.communicate(file.read_bytes(), timeout=PATIENCE_S)
    assert process.returncode == 0, err
    for name in ("overlay.mp4", "mask.mkv"):
        played = read_video(tmp_path / "out" / "stdin" / name)
        assert [round(1000 * time_s) for time_s, _ in played] == VFR


@pytest.mark.parametrize("live", ["--live", "--no-live"])
def test_ctrl_c_while_standard_input_is_silent(
    tmp_path: Path, tiny_checkpoint: Path, live: str
) -> None:
    file = write_video(tmp_path / "v.mkv", moving_discs(30) * 10)
    process = piped(tiny_checkpoint, tmp_path / "out", live, "--frames")
    assert process.stdin is not None
    process.stdin.write(file.read_bytes())  # and it stays open
    process.stdin.flush()
    folder = tmp_path / "out" / "stdin"
    wait_until(lambda: list(folder.glob("frames/*_mask.png")), "the first mask")
    process.send_signal(signal.SIGINT)
    process.wait(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert len(read_video(folder / "overlay.mp4")) == len(list(folder.glob("frames/*_mask.png")))
    process.communicate()


def test_standard_input_that_is_no_video(tmp_path: Path, tiny_checkpoint: Path) -> None:
    process = piped(tiny_checkpoint, tmp_path / "out")
    _, err = process.communicate(b"hello, surgeon\n" * 50, timeout=PATIENCE_S)
    assert process.returncode == 3
    assert b"cannot open -: " in err
    assert b"front to end" in err
    assert b"-f matroska -" in err
    assert not (tmp_path / "out").exists()


def test_standard_input_without_a_byte(tmp_path: Path, tiny_checkpoint: Path) -> None:
    process = piped(tiny_checkpoint, tmp_path / "out")
    _, err = process.communicate(b"", timeout=PATIENCE_S)
    assert process.returncode == 3
    assert b"Error: standard input is empty: pipe a video in" in err


def test_a_terminal_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for closed in (None, SimpleNamespace(isatty=lambda: True)):
        monkeypatch.setattr("sys.stdin", closed)
        with pytest.raises(UsageError, match="no video on standard input: pipe one in"):
            open_source("-")


def test_a_stream_is_run_alone() -> None:
    with pytest.raises(UsageError, match=r"only source: rtsp://127\.0\.0\.1/x: "):
        lone_address(["v.mp4", "rtsp://me:pw@127.0.0.1/x"])
    assert lone_address(["-"]) == find_address("-")
    assert lone_address(["a.mp4", "b.mp4"]) is None


@pytest.mark.parametrize("live", [False, True])
def test_metadata_of_streams_is_kept_if_asked_for(web: Web, tmp_path: Path, live: bool) -> None:
    def name_the_surgeon(stream: av.VideoStream) -> None:
        stream.container.metadata.update(title="Left eye", artist="Doctor Who")

    file = write_video(tmp_path / "v.mkv", moving_discs(3), prepare=name_the_surgeon)
    web.answers["/v.mkv"] = file.read_bytes()
    for kept, expected in ((False, {"title"}), (True, {"title", "artist"})):
        with open_source(f"{web.url}/v.mkv", live=live, keep_metadata=kept) as source:
            assert {name for name, _ in source.info.metadata} == expected


def test_a_size_limit_holds_for_streams(web: Web, tmp_path: Path) -> None:
    file = write_video(tmp_path / "v.mkv", moving_discs(3, width=320, height=240))
    web.answers["/v.mkv"] = file.read_bytes()
    for live in (False, True):
        with pytest.raises(SourceError, match=r"320x240 is more than 0.05 megapixels"):
            open_source(f"{web.url}/v.mkv", live=live, max_megapixels=0.05)


@pytest.mark.parametrize(
    "arguments",
    [("frame", "rtsp://me:pw@host/x?t=pw", "-t", "1"), ("benchmark", "http://me:pw@host/x.mp4"),
     ("export", "https://me:pw@host/x.pth?t=pw", "-o", "x.pth"),
     ("run", "x.mp4", "--ray", "http://me:pw@host")],
)  # fmt: skip
def test_commands_that_take_no_address_show_none_of_its_secrets(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["cornea-stream", *arguments, "--verbose"])
    with pytest.raises(SystemExit):
        main()
    told = capsys.readouterr().err
    assert "host" in told
    assert "pw" not in told


@pytest.mark.parametrize(
    ("told", "kept"),
    [("not found: rtsp:/a:b@h/x?t=1: check", "not found: rtsp:/h/x: check"),
     ("C:/a@b: gone", "C:/a@b: gone"), ("at http://h:80: no", "at http://h:80: no")],
)  # fmt: skip
def test_what_is_told_of_an_address(told: str, kept: str) -> None:
    assert without_secrets(told) == kept
