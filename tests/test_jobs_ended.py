"""How the processes of a run end: by signals, when the driver dies, and when it gives them up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import moving_discs, read_video, write_video
from jobs_command import command
from waiting import PATIENCE_S, wait_until


def working(folder: Path, checkpoint: Path, *more: str) -> subprocess.Popen[str]:
    """Return a run of two long videos, as soon as each of its processes is in the middle of one."""
    (folder / "rec").mkdir()
    for name in "ab":
        write_video(folder / "rec" / f"{name}.mp4", moving_discs(30) * 100,
                    options={"preset": "ultrafast"})  # fmt: skip
    process = subprocess.Popen(
        command(folder, checkpoint, "--frames", *more), stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    frames = [folder / "out" / name / "frames" / "000005_mask.png" for name in "ab"]
    wait_until(lambda: all(file.exists() for file in frames), "work in both processes")
    return process


def assert_interrupted(folder: Path) -> None:
    """Check that both videos were ended in order."""
    for name in "ab":
        told = json.loads((folder / "out" / name / "run.json").read_text())
        assert told["status"] == "interrupted"
        assert len(read_video(folder / "out" / name / "overlay.mp4")) == told["frames"] < 3000


def wait_for_the_end_of(group: int) -> None:
    """Wait until no process of the group is left."""

    def ended() -> bool:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        return False

    wait_until(ended, "the end of all workers")


def test_sigterm_to_all_processes_leaves_videos_that_play(
    tmp_path: Path, tiny_checkpoint: Path
) -> None:
    """As `systemctl stop` does."""
    process = working(tmp_path, tiny_checkpoint)
    os.killpg(process.pid, signal.SIGTERM)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, err
    assert_interrupted(tmp_path)


LEAVES_ITS_WORKERS = """
import sys, threading
from pathlib import Path
from cornea_stream.batch.process_pool import Processes
from cornea_stream.batch.setup import Setup
from cornea_stream.batch.task import plan_source
from cornea_stream.runs.options import RunOptions

if __name__ == "__main__":
    folder, setup = Path(sys.argv[1]), Setup(Path(sys.argv[2]), device="cpu", backend="torch")
    masks = setup.mask_settings()
    tasks = [
        plan_source(folder / f"{name}.mp4", folder / name, RunOptions(), masks) for name in "ab"
    ]
    work = Processes(setup, ["cpu", "cpu"]).run(
        tasks, stop=threading.Event(), on_step=lambda step: None
    )
    print(next(work)[1].status)
"""


def test_a_program_that_abandons_its_workers_ends(tmp_path: Path, tiny_checkpoint: Path) -> None:
    for name in ("a", "b"):
        write_video(tmp_path / f"{name}.mp4", moving_discs(6), options={"preset": "ultrafast"})
    script = tmp_path / "script.py"
    script.write_text(LEAVES_ITS_WORKERS)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), str(tiny_checkpoint)],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "complete\n"), done.stderr


@pytest.mark.slow
def test_ctrl_c_twice_ends_all_workers_at_once(tmp_path: Path, tiny_checkpoint: Path) -> None:
    process = working(tmp_path, tiny_checkpoint)
    for _ in range(40):
        if process.poll() is not None:
            break
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.005)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    wait_for_the_end_of(process.pid)
    assert (tmp_path / "out" / "summary.csv").exists()


@pytest.mark.slow
def test_workers_end_in_order_when_the_driver_is_killed(
    tmp_path: Path, tiny_checkpoint: Path
) -> None:
    process = working(tmp_path, tiny_checkpoint, "--quiet")
    process.kill()
    process.wait()
    wait_for_the_end_of(process.pid)
    assert_interrupted(tmp_path)
