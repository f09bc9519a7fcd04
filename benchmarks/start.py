"""How long a run takes to start: the command on a video of one frame, from its call to its end.

    python -m benchmarks.start [--rounds 10] [--output benchmarks/results/start.json]

The first overlay frame of a longer video is there before that. The first round fills the caches and
is not counted.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.media import write_looped
from benchmarks.report import save

SIZE = (1024, 768)


def seconds(video: Path) -> float:
    """Return the seconds that the command takes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "cornea_stream", "run", str(video), "-o", folder]
        began = time.perf_counter()
        subprocess.run([*command, "--quiet"], check=True)
        return time.perf_counter() - began


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description="Start of the run command.")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/start.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "frame.mkv"
        write_looped(video, 1, SIZE, 25)
        _, *found = [seconds(video) for _ in range(options.rounds + 1)]
    result = {
        "what": f"`run` on one frame of {SIZE[0]}x{SIZE[1]}, on warm caches",
        "least_seconds": round(min(found), 2),
        "median_seconds": round(statistics.median(found), 2),
    }
    save(options.output, result)


if __name__ == "__main__":
    main()
