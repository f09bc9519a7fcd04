"""Chunks from the command line: killed, resumed by two processes, equal to one piece."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from chunks_compared import OPEN_GOP, assert_equal
from conftest import moving_discs, write_video
from waiting import wait_until

from cornea_stream.runs.result import RunResult
from cornea_stream.storage import SCRATCH


def start(source: Path, out: Path, checkpoint: Path, *more: str) -> subprocess.Popen[str]:
    command = [
        *(sys.executable, "-m", "cornea_stream", "run", str(source), "-o", str(out)),
        *("--frames", "--mask", "--metrics", "--smooth", "--backend", "torch"),
        *("--checkpoint", str(checkpoint), "--threshold", "0.3", "--json", *more),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> RunResult:
    told, errors = process.communicate()
    assert process.returncode == 0, errors
    (result,) = json.loads(told)
    names = ("source", "folder", "status", "frames", "last_time_s", "warnings", "scale")
    return RunResult(**{name: result[name] for name in names})


def test_killed_and_resumed_by_two_processes(tmp_path: Path, tiny_checkpoint: Path) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(30) * 12, options=OPEN_GOP, audio="aac")
    whole = start(path, tmp_path / "whole", tiny_checkpoint)
    process = start(path, tmp_path / "cut", tiny_checkpoint, "--chunk", "2s")
    folder = tmp_path / "cut" / "v"
    wait_until(lambda: len(list(folder.glob(f"{SCRATCH}/*/run.json"))) >= 3, "three parts")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    done = list(folder.glob(f"{SCRATCH}/*/run.json"))
    left = {p.name for p in folder.iterdir()}
    assert left == {SCRATCH, "run.part.json", ".run.lock"}
    started = {json.loads(part.read_text())["started"] for part in done}
    time.sleep(1.1)  # what is done again starts in another second
    again = start(path, tmp_path / "cut", tiny_checkpoint, "--chunk", "2s", "--resume", "-j", "2")
    cut = finish(again)
    told = json.loads((folder / "run.json").read_text())["segments"]
    assert told["frames"] == [50, 50, 50, 50, 50, 50, 50, 10]
    assert started <= set(told["started"])
    assert_equal(finish(whole), cut)
