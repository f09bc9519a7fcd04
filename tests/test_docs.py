from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_site_builds_strictly_from_the_code_and_loads_nothing_from_elsewhere(
    tmp_path: Path,
) -> None:
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--white-to-white" in (tmp_path / "cli.html").read_text()
    assert "newest_only" in (tmp_path / "python.html").read_text()
    loaded = r"<(?:script|img|link|iframe)\b[^>]*(?:src|href)=[\"']?(?:https?:)?//[^>]*>"
    for page in tmp_path.glob("**/*.html"):
        assert not re.findall(loaded, page.read_text()), page.name
    for sheet in tmp_path.glob("**/*.css"):
        assert not re.findall(r"(?:@import\s*|url\()[\"']?(?:https?:)?//", sheet.read_text()), (
            sheet.name
        )


def test_the_estimates_for_clusters_follow_from_the_measurement() -> None:
    measured = json.loads((ROOT / "benchmarks" / "results" / "peers.json").read_text())["networks"]
    default, deep = (network["median_fps"] for network in measured.values())
    fps, int8 = (default[f"cornea-stream, OpenVINO{kind}"] for kind in ("", " int8"))
    deep_fps, deep_int8 = (deep[f"cornea-stream, OpenVINO{kind}"] for kind in ("", " int8"))
    actor = fps * 8 / 2  # cores
    mb_per_s = actor / 25 * 4 / 8
    core_hours = 10_000 * 25 / (fps / 2)
    page = (ROOT / "docs" / "archives.md").read_text("utf-8")
    for words in (
        f"measurement on two cores ([results](../benchmarks/results/peers.json)): {fps:.1f} frames",
        f"An actor of 8 cores does {round(actor, -1):.0f} frames/s",
        f"reads and writes {mb_per_s:.0f} MB/s each",
        f"feeds about {round(1000 / mb_per_s, -1):.0f} such actors",
        f"{7200 * 25 / actor / 60:.1f} minutes for two hours",
        f"the longest chunk, {300 * 25 / actor:.0f} seconds",
        f"{round(core_hours, -2):,.0f} core-hours at {fps / 2:.0f} frames/s per core",
        f"{core_hours / 320:.0f} hours on ten nodes of 32 cores",
        f"int8 saves nothing with the default weights ({int8:.1f} frames/s)",
        f"{fps / deep_fps:.1f} times as long, or {fps / deep_int8:.1f} times with int8",
    ):
        assert words in page
