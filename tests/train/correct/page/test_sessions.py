"""Reloading, two tabs, a killed process, the end."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from browser import Tab, open_tab
from waiting import PATIENCE_S, wait_until

from cornea_train.correct.editor import Editor
from cornea_train.correct.project import Project
from cornea_train.formats import find_pairs

from .conftest import at_frame, drag, drag_handle, ellipse, middle, state


def test_reloading_shows_what_was_left(opened: Tab, project: Project) -> None:
    opened.page.keyboard.press("ArrowRight")
    at_frame(opened, 2)
    drag_handle(opened, "center", 0, 11)
    there = middle(opened, "center")
    opened.page.reload()
    at_frame(opened, 2)
    assert middle(opened, "center") == pytest.approx(there, abs=0.5)
    assert not opened.page.locator("#undo").is_enabled()


def test_nothing_is_accepted_while_a_frame_is_loading(opened: Tab, project: Project) -> None:
    page, held = opened.page, []
    page.route("**/frames/2", lambda route: held.append(route))
    before = [state(project, number) for number in (1, 2, 3)]
    page.keyboard.press("ArrowRight")
    at_frame(opened, 2)
    page.keyboard.press("ArrowRight")
    for key in ("Enter", "x", "p", "r"):
        page.keyboard.press(key)
    page.mouse.move(*middle(opened, "center"))
    page.mouse.down()  # on the second frame, which is still seen
    page.mouse.move(500, 500)
    wait_until(lambda: held, "the request")
    held[0].continue_()
    at_frame(opened, 3)
    page.mouse.move(600, 500)
    page.mouse.up()
    assert [state(project, number) for number in (1, 2, 3)] == before
    assert not page.locator("#undo").is_enabled()
    page.unroute("**/frames/2")
    page.keyboard.press("Enter")
    wait_until(lambda: state(project, 3).done, "the third frame")
    assert state(project, 3).outline == before[2].outline


def test_an_image_that_is_gone_is_said_and_passed(opened: Tab, project: Project) -> None:
    page = opened.page
    project.image(project.frames[2]).unlink()
    page.keyboard.press("ArrowRight")
    at_frame(opened, 2)
    page.keyboard.press("ArrowRight")
    page.locator("#alert", has_text="Frame 3 cannot be shown: its image is gone").wait_for()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    at_frame(opened, 4)
    page.locator("#alert").wait_for(state="hidden")
    assert not any(map(project.is_done, project.frames))


def has_center_at(tab: Tab, x: float) -> bool:
    return abs(middle(tab, "center")[0] - x) < 1


@pytest.mark.parametrize("choice", ["Show the other version", "Keep mine instead"])
def test_two_tabs(opened: Tab, browser: Any, editor: Editor, project: Project, choice: str) -> None:
    for other in open_tab(browser, viewport={"width": 1280, "height": 1000}):
        other.page.goto(editor.address)
        at_frame(other, 1)
        drag_handle(other, "center", 10, 0)
        wait_until(lambda: ellipse(project).x > 138, "the first tab's change")
        theirs = ellipse(project)
        drag(opened, middle(opened, "center"), -10, 0)
        dialog = opened.page.locator("#conflict")
        dialog.wait_for()
        assert "changed in another tab" in dialog.inner_text()
        assert ellipse(project) == theirs
        there = middle(other, "center")[0]
        opened.page.get_by_text(choice).click()
        if choice.startswith("Keep"):
            wait_until(lambda: ellipse(project).x < 122, "the second tab's change")
        else:
            wait_until(partial(has_center_at, opened, there), "the other version")
            assert ellipse(project) == theirs
        drag_handle(opened, "center", 0, 8)  # and it goes on from there
        wait_until(lambda: ellipse(project).y > 127, "a further change")


def start(run_dir: Path, folder: Path) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "cornea_stream", "correct", str(run_dir), "-o", str(folder),
         "--spread", "4", "--uncertain", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    return process, process.stderr.readline().split()[-1]


def test_a_killed_process_loses_nothing(tab: Tab, run_dir: Path, tmp_path: Path) -> None:
    folder, page = tmp_path / "corrected", tab.page
    process, address = start(run_dir, folder)
    page.goto(address)
    at_frame(tab, 1)
    page.keyboard.press("Enter")
    at_frame(tab, 2)
    drag_handle(tab, "center", 15, 0)
    there = middle(tab, "center")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=PATIENCE_S)
    page.locator("#alert", has_text="Everything is saved").wait_for()
    drag(tab, middle(tab, "center"), 0, 5)
    page.locator("#alert", has_text="Your last change is not saved").wait_for()
    process, address = start(run_dir, folder)
    page.on("dialog", lambda dialog: dialog.accept())  # it asks about the change
    page.goto(address)
    at_frame(tab, 2)
    assert page.locator("#progress").inner_text() == "1 of 4 done"
    assert middle(tab, "center") == pytest.approx(there, abs=0.5)
    for number in (3, 4):
        page.keyboard.press("Enter")
        at_frame(tab, number)
    page.keyboard.press("Enter")
    page.locator("#end-title", has_text="All 4 frames are done").wait_for()
    assert "cornea-stream train --data-dir" in page.locator("#command").inner_text()
    page.get_by_role("button", name="Finish").last.click()
    page.locator("#end-title", has_text="Finished").wait_for()
    out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert page.locator("#command").inner_text() in out
    pairs, problems = find_pairs(folder)
    assert (len(pairs), problems) == (4, [])


def test_finishing_ends_the_wait(opened: Tab, editor: Editor) -> None:
    waiting = threading.Thread(target=editor.wait, daemon=True)
    waiting.start()
    opened.page.locator("#finish").click()
    opened.page.locator("#end-text", has_text="nothing to train on").wait_for()
    opened.page.get_by_text("Go on correcting").click()
    assert waiting.is_alive()
    opened.page.locator("#finish").click()
    opened.page.locator("#end[open]").wait_for()
    opened.page.get_by_role("button", name="Finish").last.click()
    waiting.join(PATIENCE_S)
    assert not waiting.is_alive()
    assert opened.complaints == []
