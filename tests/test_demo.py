"""The demo finds the generated cornea and keeps what it did not make."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from conftest import moving_discs, read_video, write_video
from waiting import PATIENCE_S


def cli(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the real program in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "cornea_stream", *map(str, arguments)],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_demo_finds_the_generated_cornea(tmp_path: Path, call) -> None:  # type: ignore[no-untyped-def]
    done = cli("demo", "-o", tmp_path / "d", "--seconds", "0.4")
    assert "Mean IoU with the true masks" in done.stdout
    score = float(done.stdout.split("generated clip: ")[1].split()[0].rstrip("."))
    assert score > 0.5
    assert len(read_video(tmp_path / "d" / "demo" / "overlay.mp4")) == 10
    code, out, _ = call("demo", "-o", tmp_path / "d", "--seconds", "0.2s")
    assert (code, "complete" in out) == (0, True)
    assert len(read_video(tmp_path / "d" / "demo" / "overlay.mp4")) == 5


def test_the_demo_keeps_what_it_did_not_make(tmp_path: Path, call) -> None:  # type: ignore[no-untyped-def]
    video = write_video(tmp_path / "eye.mp4", moving_discs(6))
    (tmp_path / "demo").mkdir()
    for place in ("demo.mp4", "demo/overlay.mp4"):
        mine = tmp_path / place
        mine.write_bytes(video.read_bytes())
        code, _, err = call("demo", "-o", tmp_path, "--seconds", "0.2")
        assert (code, f"output exists: {mine}" in err) == (5, True)
        assert mine.read_bytes() == video.read_bytes()
        mine.unlink()
