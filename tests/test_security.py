"""A file that somebody sent: it reads no other file, reaches no network, and eats no memory."""

from __future__ import annotations

import json
import multiprocessing
import os
import struct
import subprocess
import sys
import threading
import zipfile
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import moving_discs, write_video
from safetensors.torch import save_file

from cornea_stream.batch.cores import core_shares
from cornea_stream.batch.process_pool import born_with
from cornea_stream.errors import CheckpointError, SourceError
from cornea_stream.models.checkpoint import load_checkpoint
from cornea_stream.sinks.stream.relay import Relay
from cornea_stream.sources import open_source

PLAYLISTS = {
    "list.ffconcat": "ffconcat version 1.0\nfile {}\n",
    "list.mp4": "ffconcat version 1.0\nfile {}\n",
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:8,\n{}\n#EXT-X-ENDLIST\n",
    "list.mpd": '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet>'
    "<Representation><BaseURL>{}</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "list.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
}


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """A server on this machine: its address, and what it was asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/secret.mp4", paths
    server.shutdown()


@pytest.mark.parametrize("name", PLAYLISTS)
def test_playlists_open_no_file_and_no_address(
    tmp_path: Path, asked: tuple[str, list[str]], name: str
) -> None:
    address, paths = asked
    secret = write_video(tmp_path / "secret.mp4", moving_discs(3))
    for target in ("secret.mp4", str(secret), secret.as_uri(), address):
        (tmp_path / name).write_text(PLAYLISTS[name].format(target))
        with pytest.raises(SourceError, match="playlists are not followed"):
            open_source(tmp_path / name)
    assert paths == []


def test_a_name_with_a_pattern_is_one_file(tmp_path: Path) -> None:
    for name, value in (("%03d.jpg", 200), ("001.jpg", 50), ("002.jpg", 50)):
        cv2.imwrite(str(tmp_path / name), np.full((48, 64, 3), value, np.uint8))
    with open_source(tmp_path / "%03d.jpg") as source:
        assert [round(float(frame.rgb().mean())) for frame in source] == [200]


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    pack = zlib.compressobj(9)
    rows = b"".join(pack.compress(bytes(1 + 3 * width)) for _ in range(height)) + pack.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_a_picture_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    """0.7 MB that would become 768 MB."""
    (tmp_path / "bomb.png").write_bytes(png(16000, 16000))
    # Not getrusage: what it tells begins with the peak of the process that started this one.
    script = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "from cornea_stream.sources import open_source\n"
        "def peak_kib():\n"
        "    status = Path('/proc/self/status').read_text()\n"
        "    return int(re.search(r'VmHWM:\\s+(\\d+)', status)[1])\n"
        "limit = peak_kib() + 200 * 1024\n"
        "try:\n"
        "    open_source(sys.argv[1])\n"
        "except Exception as err:\n"
        "    print(err)\n"
        "assert peak_kib() < limit\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "bomb.png")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "perhaps larger than 64 megapixels" in done.stdout


def test_the_size_limit_holds_for_video_and_can_be_raised(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4", moving_discs(3, width=320, height=240))
    with pytest.raises(SourceError, match=r"320x240 is more than 0.05 megapixels.*max_megapixels"):
        open_source(video, max_megapixels=0.05)
    (tmp_path / "small.png").write_bytes(png(300, 300))
    with pytest.raises(SourceError, match=r"perhaps larger than 0\.05 megapixels"):
        open_source(tmp_path / "small.png", max_megapixels=0.05)
    for path in (video, tmp_path / "small.png"):
        with open_source(path, max_megapixels=0.1) as source:
            assert next(iter(source)).index == 0


def test_a_packed_checkpoint_may_not_grow(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(50_000_000)}, tmp_path / "plain.pth")
    with (
        zipfile.ZipFile(tmp_path / "plain.pth") as plain,
        zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for name in plain.namelist():
            bomb.writestr(name, plain.read(name))
    assert (tmp_path / "bomb.pth").stat().st_size < 1_000_000
    with pytest.raises(CheckpointError, match="to more than its own size"):
        load_checkpoint(tmp_path / "bomb.pth")


@pytest.mark.parametrize(
    "spec",
    [
        {"psp_out_channels": 10**9},
        {"image_size": [10**6, 10**6]},
        {"image_size": [0, 64]},
        {"image_size": [-64, 64]},
        {"image_size": [60, 64]},
        {"image_size": [float("inf"), 64]},
        {"std": [0, 0, 0]},
        {"mean": [float("nan"), 0, 0]},
        {"encoder_depth": 99},
        {"encoder_name": "../../etc/passwd"},
        {"encoder_name": "tu-vit_giant_patch14_clip_224"},
    ],
)
def test_a_checkpoint_cannot_ask_for_an_enormous_network(
    tmp_path: Path, tiny_checkpoint: Path, spec: dict[str, object]
) -> None:
    """Its weights are those of a small one, which the honest spec takes."""
    weights = load_checkpoint(tiny_checkpoint)
    for asked, suffix in product((spec, {}), ("safetensors", "pth")):
        path, wanted = tmp_path / f"w.{suffix}", weights.spec.to_dict() | asked
        if suffix == "pth":
            torch.save({"model": weights.state_dict, "spec": wanted}, path)
        else:
            header = json.dumps({"spec": wanted})
            save_file(weights.state_dict, path, metadata={"cornea_stream": header})
        if asked:
            with pytest.raises(CheckpointError, match=r"not PSPNet weights|do not fit PSPNet"):
                load_checkpoint(path).build()
        else:
            load_checkpoint(path).build()


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is there when a module in the current folder, named like a library, was run."""
    sprung = tmp_path / "sprung"
    for name in ("av", "numpy", "pickle", "signal"):
        (tmp_path / f"{name}.py").write_text(f"open({str(sprung)!r}, 'w').close()\n")
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder])
    monkeypatch.chdir(tmp_path)
    return sprung


def test_the_process_that_sends_runs_nothing_from_the_current_folder(trap: Path) -> None:
    relay = Relay("udp://127.0.0.1:9", "mpegts", 5.0)
    os.close(relay.fd)
    assert relay.failure() == "Invalid data found when processing input"  # nothing was sent
    assert not trap.exists()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 cannot be told")
def test_workers_run_nothing_from_the_current_folder(trap: Path) -> None:
    before = dict(os.environ)
    worker = multiprocessing.get_context("spawn").Process(target=print)
    with born_with(core_shares(1)[0]):
        worker.start()
    worker.join(60)
    assert worker.exitcode == 0
    assert not trap.exists()
    assert dict(os.environ) == before
