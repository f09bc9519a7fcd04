"""The page of a project of four frames, in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Tab
from conftest import disc, write_video

from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_train.correct.editor import Editor
from cornea_train.correct.outline import Ellipse
from cornea_train.correct.prepare import prepare
from cornea_train.correct.project import FrameState, Project

SIZE = (240, 320)


@pytest.fixture
def run_dir(tmp_path: Path, segmenter: Segmenter) -> Path:
    pictures = [disc(320, 240, 130 + 2 * index, 120, 56)[0] for index in range(8)]
    pictures[5][:] = 30
    path = write_video(tmp_path / "eye.mp4", pictures)
    options = RunOptions(overlay=False, mask=True, metrics=True)
    return Path(run_source(path, tmp_path / "out", segmenter, options).folder)


@pytest.fixture
def project(run_dir: Path, tmp_path: Path) -> Iterator[Project]:
    with Project(tmp_path / "corrected") as opened:
        prepare(opened, [run_dir], spread=4, uncertain=0)
        yield opened


@pytest.fixture
def editor(project: Project) -> Iterator[Editor]:
    with Editor(project, next_step=lambda: "cornea-stream train") as served:
        yield served


def at_frame(tab: Tab, number: int) -> None:
    tab.page.locator(f"#stage[data-frame='{number}']").wait_for()


@pytest.fixture
def opened(tab: Tab, editor: Editor) -> Tab:
    tab.page.goto(editor.address)
    at_frame(tab, 1)
    return tab


def saved(tab: Tab) -> None:
    tab.page.locator("#saved", has_text="Saved").wait_for()


def state(project: Project, number: int = 1) -> FrameState:
    return project.state(project.frames[number - 1])


def ellipse(project: Project, number: int = 1) -> Ellipse:
    outline = state(project, number).outline
    assert isinstance(outline, Ellipse)
    return outline


def middle(tab: Tab, handle: str) -> tuple[float, float]:
    box = tab.page.locator(f"[data-handle='{handle}'] .dot").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def scale(tab: Tab) -> float:
    """Pixels of the screen per pixel of the frame."""
    return float(tab.page.locator("#picture").bounding_box()["width"]) / SIZE[1]


def drag(tab: Tab, start: tuple[float, float], dx: float, dy: float) -> None:
    """Drag from a place on the screen by pixels of the frame."""
    mouse, factor = tab.page.mouse, scale(tab)
    mouse.move(*start)
    mouse.down()
    for share in (0.3, 1):
        mouse.move(start[0] + share * dx * factor, start[1] + share * dy * factor)
    mouse.up()


def drag_handle(tab: Tab, handle: str, dx: float, dy: float) -> None:
    """Drag a handle, and wait until that is saved."""
    before = tab.page.locator("#undo").is_enabled()
    drag(tab, middle(tab, handle), dx, dy)
    assert before or tab.page.locator("#undo").is_enabled()
    saved(tab)
