"""Five jobs with each tool: lines of code, seconds, and what is lost.

    python -m benchmarks.ease --yolo WEIGHTS.onnx [--rounds 3] [--jobs overlay masks ...]
        [--output benchmarks/results/ease.json]

Needs the development install, `pip install ultralytics`, the file of `benchmarks.ease.yolo_export`,
and for the live job GStreamer's RTSP server (see `benchmarks.live`). Every program runs as its own
process, start to end, in alternation with the others; the first round is not counted. What was lost
is read from the files.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.ease import clips
from benchmarks.ease.checks import CHECKS, Recording, files, upright
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
            "PATH": os.pathsep.join([programs, os.environ["PATH"]]),
        }
        return subprocess.Popen(
            [runner, str(self.path), source, str(folder), str(weights)],
            cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip

    def seconds(self, source: str, folder: Path, yolo: Path) -> float:
        """Run it to its end."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        began = time.perf_counter()
        process = self.start(source, folder, yolo)
        _, errors = process.communicate()
        if process.returncode:
            raise SystemExit(f"{self.path} failed:\n{errors.decode()}")
        return time.perf_counter() - began

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


def killed(program: Program, source: str, whole: Path, folder: Path, yolo: Path) -> list[str]:
    """Kill a program in the middle of a video; return what is wrong with what it leaves."""
    (final,) = files(whole, (".mp4", ".avi", ".mkv"))
    enough = final.stat().st_size / 3
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    process = program.start(source, folder, yolo)
    while process.poll() is None:
        if any(f.stat().st_size > enough for f in files(folder, (".mp4", ".avi", ".mkv"))):
            break
        time.sleep(0.02)
    subprocess.run(["pkill", "-KILL", "-P", str(process.pid)], check=False)
    process.kill()
    process.wait()
    lost = []
    if (folder / final.relative_to(whole)).exists():
        lost.append("if killed, the unfinished file has the final name")
    if not any(map(_plays, files(folder, (".mp4", ".avi", ".mkv")))):
        lost.append("if killed, nothing plays")
    return lost


def _plays(path: Path) -> bool:
    try:
        return len(upright(path)[0]) > 0
    except Exception:  # whatever PyAV says of a broken file
        return False


def overwritten(program: Program, source: str, folder: Path, yolo: Path) -> list[str]:
    """Run a program again where its outputs were changed since; return whether it replaced them."""
    outputs = files(folder, (".mp4", ".avi", ".mkv", ".png", ".csv"))
    for path in outputs:
        path.write_bytes(_MINE)
    program.start(source, folder, yolo).communicate()
    if all(path.read_bytes() == _MINE for path in outputs):
        return []
    return ["existing files (overwritten without a word)"]


def measure(job: str, rounds: int, yolo: Path, folder: Path, source: Recording) -> dict[str, Any]:
    """Return lines, seconds and losses of every tool for a job."""
    programs = [Program(tool, job) for tool in TOOLS]
    seconds: dict[str, list[float]] = {tool: [] for tool in TOOLS}
    for turn in range(rounds + 1):
        for program in programs:
            place = folder / program.tool
            if job == "live":
                with served(source.path.with_name("camera.mkv")) as address:
                    spent = program.seconds(address, place, yolo) - clips.CAMERA_SECONDS
            else:
                spent = program.seconds(str(source.path), place, yolo)
            print(f"{job}, round {turn}: {program.tool}: {spent:.1f} s", flush=True)
            if turn:
                seconds[program.tool].append(round(spent, 2))
    return {
        program.tool: {
            "lines": program.lines,
            "seconds": round(statistics.median(seconds[program.tool]), 1),
            "rounds": seconds[program.tool],
            "lost": CHECKS[job](folder / program.tool, source),
        }
        for program in programs
    }


def main() -> None:
    """Measure, check and write; jobs that are not asked for keep their earlier results."""
    parser = argparse.ArgumentParser(description="Five jobs with each tool.")
    parser.add_argument("--yolo", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", nargs="+", default=list(CHECKS), choices=list(CHECKS))
    parser.add_argument("--output", type=Path, default=HERE.parent / "results" / "ease.json")
    options = parser.parse_args()
    known = json.loads(options.output.read_text())["jobs"] if options.output.exists() else {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "surgery.mp4"
        masks = clips.write_recording(path)
        if "live" in options.jobs:
            clips.write_camera(folder / "camera.mkv")
        source = Recording(path, upright(path)[0], masks)
        for job in options.jobs:
            known[job] = measure(job, options.rounds, options.yolo, folder / job, source)
            for tool in TOOLS if job != "live" else ():
                program, place = Program(tool, job), folder / job / tool
                lost = known[job][tool]["lost"]
                if job == "overlay":
                    lost += killed(program, str(path), place, folder / "killed", options.yolo)
                lost += overwritten(program, str(path), place, options.yolo)
    result = {
        "what": "lines of code, seconds of the whole process, and what the outputs have lost; "
        f"{clips.FRAMES} frames of {clips.WIDTH}x{clips.HEIGHT} with uneven times, sound and a "
        "camera upside down",
        "jobs": {job: known[job] for job in CHECKS if job in known},
    }
    save(options.output, result)


if __name__ == "__main__":
    main()
