"""Five jobs with each tool: lines of code, seconds, and what is lost.

    python -m benchmarks.ease --yolo FILE.onnx [--jobs overlay ...] [--tools opencv_smp ...]
        [--rounds 1] [--folder FOLDER] [--output FILE]

Needs the development install, `pip install ultralytics`, the file of `benchmarks.ease.yolo_export`,
and for the live job GStreamer's RTSP server (see `benchmarks.live`). Every program runs as its own
process, start to end, in alternation with the others; the fastest round counts. Seconds are those
of the processor, with one thread for each call of PyTorch, so that other jobs of the machine do not
matter; the result also has those of the clock. What was lost is read from the files. What is not
asked for keeps its earlier result; `--folder` keeps clips and outputs.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import psutil

from benchmarks.ease import clips
from benchmarks.ease.checks import CHECKS, VIDEOS, Recording, files, upright
from benchmarks.live import served
from benchmarks.report import save
from cornea_stream.models.shipped import resolve_checkpoint

HERE = Path(__file__).parent
JOBS = {
    "overlay": "overlay of a video",
    "masks": "masks as PNGs",
    "frame": "one frame",
    "live": "live camera, recorded",
    "table": "measurements as a table",
}
TOOLS = {
    "cornea_stream_cli": "cornea-stream, command line",
    "cornea_stream_python": "cornea-stream, Python",
    "supervision_smp": "supervision and smp",
    "ultralytics_yolo": "ultralytics",
    "opencv_smp": "OpenCV and smp",
}
_MINE = b"my own file"


@dataclass(frozen=True)
class Program:
    """What one tool does for one job."""

    tool: str
    job: str

    @property
    def path(self) -> Path:
        """The file, of Python or of the shell."""
        (path,) = (HERE / self.tool).glob(f"{self.job}.*")
        return path

    @property
    def lines(self) -> int:
        """Lines of code, with those of our own modules that it imports."""
        texts, waiting = {}, [self.path]
        while waiting:
            path = waiting.pop()
            texts[path] = path.read_text("utf-8")
            waiting += [own for own in self._imported(path, texts[path]) if own not in texts]
        return sum(map(_code_lines, texts.values()))

    def start(self, source: str, folder: Path, yolo: Path) -> subprocess.Popen[bytes]:
        """Start it; it writes into `folder`."""
        weights = yolo if self.tool == "ultralytics_yolo" else resolve_checkpoint(None)
        runner = "bash" if self.path.suffix == ".sh" else sys.executable
        programs = str(Path(sys.executable).parent)
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(HERE), *filter(None, [os.getenv("PYTHONPATH")])]),
            "OMP_NUM_THREADS": "1",
            "PATH": os.pathsep.join([programs, os.environ["PATH"]]),
        }
        return subprocess.Popen(
            [runner, str(self.path), source, str(folder), str(weights)],
            cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip

    def seconds(self, source: str, folder: Path, yolo: Path) -> tuple[float, float]:
        """Run it to its end; return the seconds on the clock and those of the processor."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        began, used = time.perf_counter(), _cpu_seconds()
        process = self.start(source, folder, yolo)
        _, errors = process.communicate()
        if process.returncode:
            raise SystemExit(f"{self.path} failed:\n{errors.decode()}")
        return time.perf_counter() - began, _cpu_seconds() - used

    def _imported(self, path: Path, text: str) -> list[Path]:
        if path.suffix != ".py":
            return []
        nodes = ast.walk(ast.parse(text))
        names = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
        places = [folder / f"{name}.py" for name in names for folder in (HERE, HERE / self.tool)]
        return [place for place in places if place.is_file()]


def _code_lines(text: str) -> int:
    """Count lines that are neither empty nor a comment nor a docstring."""
    lines = [line.strip() for line in text.splitlines()]
    return sum(bool(line) and not line.startswith(("#", '"""')) for line in lines)


def _cpu_seconds() -> float:
    """Return what the processes that have ended used."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def killed(program: Program, source: str, whole: Path, folder: Path, yolo: Path) -> list[str]:
    """Kill a program in the middle of a video; return what is wrong with what it leaves."""
    (final,) = files(whole, VIDEOS)
    enough = final.stat().st_size / 3
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    _run_until(
        lambda: any(path.stat().st_size > enough for path in files(folder, VIDEOS)),
        program.start(source, folder, yolo),
    )
    lost = []
    if (folder / final.relative_to(whole)).exists():
        lost.append("if killed, the unfinished file has the final name")
    if not any(map(_plays, files(folder, VIDEOS))):
        lost.append("if killed, nothing plays")
    return lost


def overwritten(program: Program, source: str, folder: Path, yolo: Path) -> list[str]:
    """Run a program again where its outputs were changed since; return whether it replaced them."""
    outputs = files(folder, (*VIDEOS, ".png", ".csv"))
    for path in outputs:
        path.write_bytes(_MINE)

    def replaced() -> bool:
        return any(not path.exists() or path.read_bytes() != _MINE for path in outputs)

    _run_until(replaced, program.start(source, folder, yolo))
    return ["existing files (overwritten without a word)"] if replaced() else []


def _run_until(reached: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait for a process to end, or kill it with its children when something is reached."""
    while process.poll() is None and not reached():
        time.sleep(0.02)
    if process.poll() is None:
        for each in [*psutil.Process(process.pid).children(recursive=True), process]:
            each.kill()
    process.communicate()


def _plays(path: Path) -> bool:
    try:
        return len(upright(path)[0]) > 0
    except Exception:  # whatever PyAV says of a broken file
        return False


def check(program: Program, source: Recording, yolo: Path, folder: Path) -> list[str]:
    """Return what the outputs of a program, which has run, have lost."""
    place = folder / program.tool
    lost = CHECKS[program.job](place, source)
    if program.job == "overlay":
        lost += killed(program, str(source.path), place, folder / "killed", yolo)
    if program.job != "live":
        lost += overwritten(program, str(source.path), place, yolo)
    return lost


def run_once(program: Program, source: Path, yolo: Path, folder: Path) -> tuple[float, float]:
    """Return the seconds of a program, for a camera those beyond what it sent, and of the CPU."""
    place = folder / program.tool
    if program.job != "live":
        return program.seconds(str(source), place, yolo)
    with served(source.with_name("camera.mkv")) as address:
        spent, used = program.seconds(address, place, yolo)
    return spent - clips.CAMERA_SECONDS, used


def main() -> None:
    """Measure, check and write."""
    parser = argparse.ArgumentParser(description="Five jobs with each tool.")
    parser.add_argument("--yolo", type=Path, required=True)
    parser.add_argument("--jobs", nargs="+", default=list(JOBS), choices=list(JOBS))
    parser.add_argument("--tools", nargs="+", default=list(TOOLS), choices=list(TOOLS))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--output", type=Path, default=HERE.parent / "results" / "ease.json")
    options = parser.parse_args()
    yolo = options.yolo.resolve()
    known = json.loads(options.output.read_text())["jobs"] if options.output.exists() else {}
    with tempfile.TemporaryDirectory() as name:
        folder = (options.folder or Path(name)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        source = Recording(folder / "surgery.mp4")
        clips.write_missing(source.path, folder / "camera.mkv")
        for job in options.jobs:
            entries = known.setdefault(job, {tool: {} for tool in TOOLS})
            programs = [Program(tool, job) for tool in options.tools]
            rounds: dict[str, list[tuple[float, float]]] = {tool: [] for tool in options.tools}
            for _, program in product(range(options.rounds), programs):
                rounds[program.tool].append(run_once(program, source.path, yolo, folder / job))
            for program in programs:
                runs = rounds[program.tool]
                entries[program.tool] = {
                    "lines": program.lines,
                    "cpu_seconds": round(min(used for _, used in runs), 1),
                    "clock_seconds": round(min(spent for spent, _ in runs), 1),
                    "lost": check(program, source, yolo, folder / job),
                }
                print(f"{job}: {program.tool}: {entries[program.tool]}", flush=True)
                write(options.output, known)


def write(output: Path, jobs: dict[str, Any]) -> None:
    """Write what is known so far."""
    result = {
        "what": "lines of code, seconds of the processor for the whole process, and what the "
        f"outputs have lost; {clips.FRAMES} frames of {clips.WIDTH}x{clips.HEIGHT} with uneven "
        f"times, sound and a camera upside down; the live camera sends {clips.CAMERA_SECONDS} s",
        "titles": {"jobs": JOBS, "tools": TOOLS},
        "jobs": {job: jobs[job] for job in JOBS if job in jobs},
    }
    save(output, result)


if __name__ == "__main__":
    main()
