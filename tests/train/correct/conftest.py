"""A project of corrections, from a run over a disc that walks."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from conftest import disc, write_video
from waiting import PATIENCE_S

from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_train.correct.editor import Editor
from cornea_train.correct.outline import (
    Ellipse,
    Outline,
)
from cornea_train.correct.prepare import prepare
from cornea_train.correct.project import Project

SIZE = (120, 160)
TABLES = RunOptions(overlay=False, mask=True, metrics=True)
DARK = range(12, 16)
ELLIPSE = Ellipse(80.5, 60.25, 40, 30, 20)


def picture(index: int) -> np.ndarray:
    """A disc that walks; nothing in the frames of DARK."""
    if index in DARK:
        return np.full((*SIZE, 3), 30, np.uint8)
    return disc(160, 120, 50 + 2 * index, 60, 28)[0]


@pytest.fixture
def run_dir(tmp_path: Path, segmenter: Segmenter) -> Path:
    path = write_video(tmp_path / "eye.mp4", [picture(index) for index in range(30)])
    return Path(run_source(path, tmp_path / "out", segmenter, TABLES).folder)


@pytest.fixture
def project(run_dir: Path, tmp_path: Path) -> Iterator[Project]:
    with Project(tmp_path / "corrected") as opened:
        prepare(opened, [run_dir], spread=3, uncertain=2)
        yield opened


def save(project: Project, index: int, outline: Outline, *, done: bool = True) -> None:
    frame = project.frames[index]
    project.save(frame, outline, done=done, revision=project.state(frame).revision)


def by_definition(ellipse: Ellipse, size: tuple[int, int]) -> np.ndarray:
    """The pixels whose centers are inside, by the distances from the two foci."""
    axis = np.radians(ellipse.angle_deg)
    focus = np.sqrt(ellipse.a**2 - ellipse.b**2) * np.array([np.cos(axis), np.sin(axis)])
    rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
    ways = [
        np.hypot(columns - ellipse.x - s * focus[0], rows - ellipse.y - s * focus[1])
        for s in (-1, 1)
    ]
    return np.where(sum(ways) <= 2 * ellipse.a, 255, 0)


def ask(
    editor: Editor, what: str, content: object = None, **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    parts = urlsplit(editor.address)
    with closing(http.client.HTTPConnection("127.0.0.1", parts.port, timeout=PATIENCE_S)) as line:
        body = None if content is None else json.dumps(content)
        line.request("PUT" if body else "GET", parts.path + what, body, headers)
        reply = line.getresponse()
        return reply.status, reply.headers, reply.read()
