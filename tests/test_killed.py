"""A run killed outright: what was written plays, and the next run goes on or starts cleanly."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import moving_discs, read_video, write_video
from waiting import wait_until

LENGTH, RATE = 3000, 25


@pytest.fixture(scope="module")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    pictures = moving_discs(30) * (LENGTH // 30)
    return write_video(path, pictures, options={"preset": "ultrafast"}, audio="aac")


def start(source: Path, out: Path, checkpoint: Path, *more: str) -> subprocess.Popen[str]:
    command = [
        *(sys.executable, "-m", "cornea_stream", "run", str(source), "-o", str(out)),
        *("--frames", "--mask", "--metrics", "--checkpoint", str(checkpoint)),
        *("--backend", "torch", *more),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def frames_written(folder: Path) -> int:
    return len(list((folder / "frames").glob("*_overlay.png")))


def kill_after(process: subprocess.Popen[str], folder: Path, frames: int) -> int:
    """Kill the process once so many frames are written; return how many then were."""
    wait_until(lambda: frames_written(folder) >= frames, f"{frames} frames")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    return frames_written(folder)


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(n, marks=pytest.mark.slow) for n in range(2, 50))]
)
def test_a_killed_run_leaves_videos_that_play(
    long_video: Path, tiny_checkpoint: Path, tmp_path: Path, seed: int
) -> None:
    folder = tmp_path / "out" / "long"
    process = start(long_video, tmp_path / "out", tiny_checkpoint)
    done = kill_after(process, folder, random.Random(seed).randint(80, 600))
    left = {path.name for path in folder.iterdir()}
    assert left == {
        ".run.lock", "frames", "mask.part.mkv", "metrics.part.csv", "overlay.part.mp4",
        "run.part.json",
    }  # fmt: skip
    for name in ("overlay.part.mp4", "mask.part.mkv"):
        played = [round(time_s * RATE) for time_s, _ in read_video(folder / name)]
        whole = done - 2 * RATE
        assert played[:whole] == list(range(whole))


def test_resume_starts_a_killed_run_anew_and_leaves_no_parts(
    long_video: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out" / "long"
    kill_after(start(long_video, tmp_path / "out", tiny_checkpoint), folder, 60)
    _, err = (again := start(long_video, tmp_path / "out", tiny_checkpoint)).communicate()
    assert again.returncode == 5, err
    assert "--resume" in err
    _, err = (
        resumed := start(long_video, tmp_path / "out", tiny_checkpoint, "--resume", "--end", "4")
    ).communicate()
    assert resumed.returncode == 0, err
    left = {path.name for path in folder.iterdir()}
    assert left == {"frames", "metrics.csv", "mask.mkv", "overlay.mp4", "run.json"}
    assert json.loads((folder / "run.json").read_text())["frames"] == frames_written(folder) == 100
    assert len(read_video(folder / "overlay.mp4")) == 100
