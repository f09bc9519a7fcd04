"""Size of the report of a ten-minute video, and how soon a browser shows it.

    python -m benchmarks.report_page [--output benchmarks/results/report_page.json]

Needs Playwright and Debian's chromium. The run is a synthetic one of 18,000 frames: its videos are
a generated clip over and over, its table wanders and flickers as that of a real surgery does.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright

from benchmarks.media import RATE, reencoded
from benchmarks.report import save
from cornea_stream.report import write_report
from cornea_stream.sinks.table import CSV_COLUMNS
from cornea_stream.sources.fingerprint import fingerprint
from cornea_stream.storage import RUN_JSON
from cornea_stream.synthetic.demo import write_clip

FRAMES, SIZE = 18_000, (1024, 768)
ROUNDS, CLIP_FRAMES = 5, 100
# Every chart is drawn and both videos show a frame.
SHOWN = """() => document.querySelectorAll('.chart canvas').length === 4
    && [...document.querySelectorAll('video')].every((video) => video.readyState >= 2)"""


def make_run(root: Path) -> Path:
    """Leave what a run over a ten-minute video leaves; return its folder."""
    clip = write_clip(root / "clip.mp4", seconds=CLIP_FRAMES / 25, seed=7).path
    source = reencoded(clip, root / "surgery.mp4", SIZE, FRAMES // CLIP_FRAMES)
    folder = root / "out" / "surgery"
    folder.mkdir(parents=True)
    shutil.copy(source, folder / "overlay.mp4")
    write_table(folder / "metrics.csv")
    told = {
        "status": "complete",
        "frames": FRAMES,
        "source": {"path": str(source), "kind": "video", "rate": str(RATE)},
        "fingerprint": fingerprint(source),
        "damaged_s": [(60.0 * minute, 60.0 * minute + 1) for minute in range(1, 10)],
    }
    (folder / RUN_JSON).write_text(json.dumps(told))
    return folder


def write_table(path: Path) -> None:
    """Write measurements that wander, with a stretch without cornea every twenty seconds."""
    rng = np.random.default_rng(0)

    def wander(middle: float, step: float) -> Any:
        return middle + np.cumsum(rng.normal(0, step, FRAMES))

    x, y, area = wander(512, 2), wander(384, 2), np.abs(wander(60_000, 100))
    confidence, agreement = 1 - rng.random((2, FRAMES)) ** 4
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(CSV_COLUMNS)
        for index in range(FRAMES):
            at = (index, f"{index / RATE:.6f}")
            if index % 600 < 40:
                rows.writerow((*at, 0, 0, 0, *[""] * 5, 0, 1))
                continue
            share = area[index] / (SIZE[0] * SIZE[1])
            place = (f"{x[index]:.2f}", f"{y[index]:.2f}", 280, 270, 10)
            sure = (f"{confidence[index]:.4f}", f"{agreement[index]:.4f}")
            rows.writerow((*at, 1, int(area[index]), f"{share:.6f}", *place, *sure))


def load_seconds(page: Path) -> list[float]:
    """Return for several new browsers how long it took until the page showed everything."""
    seconds = []
    with sync_playwright() as playwright:
        for _ in range(ROUNDS):
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            tab = browser.new_page(viewport={"width": 1440, "height": 900})
            began = time.perf_counter()
            tab.goto(page.as_uri())
            while not tab.evaluate(SHOWN):
                tab.wait_for_timeout(5)
            seconds.append(time.perf_counter() - began)
            browser.close()
    return seconds


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description="Size and loading time of a report.")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/report_page.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        folder = make_run(Path(root).resolve())
        began = time.perf_counter()
        page = write_report(folder).path
        making_s = time.perf_counter() - began
        result = {
            "what": f"report.html of {FRAMES} frames at {SIZE[0]}x{SIZE[1]}",
            "megabytes": round(page.stat().st_size / 1e6, 2),
            "seconds_to_write": round(making_s, 2),
            "seconds_to_show": (shown := [round(s, 2) for s in load_seconds(page)]),
            "median_seconds_to_show": statistics.median(shown),
        }
    save(options.output, result)


if __name__ == "__main__":
    main()
