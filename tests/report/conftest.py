"""A run with a report, and a copy of it for every test."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import bright_segmenter, write_video

from cornea_stream.report import write_report
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from report.page import DARK, walking


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Path:
    root = tmp_path_factory.mktemp("made")
    pictures = [np.full_like(p, 20) if i in DARK else p for i, p in enumerate(walking())]
    video = write_video(root / "eye.mp4", pictures, audio="aac")
    options = RunOptions(report=True, opacity=1)
    run_source(video, root / "out", bright_segmenter(tiny_checkpoint), options)
    return root


@pytest.fixture
def folder(tmp_path: Path, made: Path) -> Path:
    """Return the folder of a run with a report, two levels below its video."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    out = tmp_path / "out" / "eye"
    told = (out / "run.json").read_text()
    (out / "run.json").write_text(told.replace(str(made), str(tmp_path)))
    return write_report(out).path.parent
