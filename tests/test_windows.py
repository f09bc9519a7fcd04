"""What Windows lacks is not needed: the commands start without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from conftest import moving_discs, write_video

# Other libraries bring their own answer for Windows: they are imported whole.
_PREPARE = """
import asyncio, multiprocessing.resource_tracker, os, select, signal, subprocess, sys
import av, cv2, matplotlib.pyplot, numpy, psutil, rich.console, segmentation_models_pytorch, torch
import torch.distributed, torch.utils.data, typer
try: import openvino
except ImportError: pass

for name in ("resource", "fcntl", "termios", "pwd", "grp", "tty", "pty", "syslog"):
    sys.modules[name] = None
for module, names in {
    os: ("sched_getaffinity", "sched_setaffinity", "uname", "sysconf", "getuid", "geteuid",
         "killpg", "setsid", "mkfifo", "statvfs", "getloadavg", "posix_fallocate", "pread"),
    signal: ("pthread_sigmask", "pthread_kill", "sigwait", "setitimer", "ITIMER_REAL", "alarm",
             "SIGALRM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGSTOP"),
    select: ("poll", "epoll", "PIPE_BUF"),
}.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
"""


def on_windows(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PREPARE + program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_commands_start_without_what_windows_lacks(tmp_path: Path, tiny_checkpoint: Path) -> None:
    video = write_video(tmp_path / "v.mp4", moving_discs(3))
    settings = ["--checkpoint", str(tiny_checkpoint), "--device", "cpu", "--quiet"]
    commands = [
        ["frame", str(video), "--timestamp", "0", "-o", str(tmp_path / "frame"), *settings],
        ["run", str(video), "--metrics", "-o", str(tmp_path / "run"), *settings],
        ["info", "--quiet"],
    ]
    on_windows(
        "from cornea_stream.cli import app\n"
        "for command in 'run frame train evaluate benchmark export demo info'.split():\n"
        "    try: app([command, '--help'])\n"
        "    except SystemExit as exit: assert not exit.code, command\n"
        f"for command in {commands!r}:\n"
        "    code = app(command, standalone_mode=False)\n"
        "    assert not code, (command, code)\n"
    )
    assert list((tmp_path / "frame").rglob("overlay.png"))
    assert (tmp_path / "run" / "v" / "run.json").exists()


def test_every_module_is_imported_without_what_windows_lacks() -> None:
    on_windows(
        "import importlib, pkgutil\n"
        "import cornea_stream, cornea_train\n"
        "for package in (cornea_stream, cornea_train):\n"
        "    for found in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        if '__main__' not in found.name and '.ray' not in found.name:\n"
        "            importlib.import_module(found.name)\n"
    )


def test_workers_start_without_signal_masks(tmp_path: Path, tiny_checkpoint: Path) -> None:
    videos = [str(write_video(tmp_path / f"{n}.mp4", moving_discs(2))) for n in "ab"]
    arguments = ["run", *videos, "-o", str(tmp_path / "out"), "--jobs", "2", "--quiet"]
    arguments += ["--checkpoint", str(tiny_checkpoint), "--device", "cpu"]
    on_windows(
        "multiprocessing.resource_tracker._HAVE_SIGMASK = False  # as it finds there\n"
        "from cornea_stream.cli import app\n"
        f"code = app({arguments!r}, standalone_mode=False)\n"
        "assert not code, code\n"
    )
    assert (tmp_path / "out" / "b" / "overlay.mp4").exists()
