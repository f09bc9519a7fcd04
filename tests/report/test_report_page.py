"""report.html in a browser: what is clicked, keyed and played moves the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Tab
from conftest import write_video

from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from report.page import (
    DARK,
    FRAMES,
    RADIUS,
    WIDTH,
    assert_disc_at,
    bright,
    click_timeline,
    current,
    green,
    middle_of,
    playhead,
    ready,
    screen,
    settled,
    wait,
    wait_for_step,
    wait_for_time,
    walking,
    wipe,
)


def test_a_click_on_the_timeline_shows_that_frame(tab: Tab, folder: Path) -> None:
    page = tab.open(folder / "report.html")
    ready(page)
    for chart, row in ((0, 40), (3, 7), (1, 30)):
        click_timeline(page, (row + 0.1) / FRAMES, chart)
        wait_for_time(page, row / 25 + 0.005, within=0.004)
        wait_for_step(page, within=1e-3)
        assert playhead(page) == pytest.approx(row / FRAMES, abs=0.01)
        wipe(page, 0)
        assert_disc_at(page, green, middle_of(row))
        wipe(page, 100)
        assert_disc_at(page, bright, middle_of(row))
        assert f"frame {row} " in page.locator("#readout").inner_text()
    click_timeline(page, (DARK[2] + 0.1) / FRAMES)
    settled(page)
    assert "no cornea" in page.locator("#readout").inner_text()


@pytest.mark.parametrize(
    ("pts", "options"),
    [
        (None, RunOptions(report=True, opacity=1, start_s=0.5, end_s=1.8, every=2)),
        (range(700, 700 + 40 * FRAMES, 40), RunOptions(report=True, opacity=1)),
        (np.cumsum([0, *[7, 90, 33, 40, 61] * 10])[:FRAMES], RunOptions(report=True, opacity=1)),
    ],
    ids=["cut out", "late start", "variable rate"],
)
def test_every_row_shows_its_frame(
    tab: Tab, tmp_path: Path, segmenter: Segmenter, pts: Any, options: RunOptions
) -> None:
    video = write_video(tmp_path / "v.mp4", walking(), pts=pts)
    out = Path(run_source(video, tmp_path / "out", segmenter, options).folder)
    rows = [line.split(",") for line in (out / "metrics.csv").read_text().splitlines()[1:]]
    page = tab.open(out / "report.html")
    ready(page)
    page.locator("#charts").focus()
    for steps in (0, 1, 1, 1, 9):
        for _ in range(steps):
            page.keyboard.press("ArrowRight")
        settled(page)
        told = page.locator("#readout").inner_text()
        row = next(row for row in rows if f"frame {row[0]} " in told)
        wipe(page, 0)
        assert_disc_at(page, green, float(row[5]))
        wipe(page, 100)
        assert_disc_at(page, bright, float(row[5]))
    assert f"frame {rows[12][0]} " in told


def test_keys_in_quick_succession_send_the_video_on_only_when_it_has_arrived(
    tab: Tab, folder: Path
) -> None:
    page = tab.open(folder / "report.html")
    ready(page)
    sent = page.evaluate("""() => {
        const video = document.getElementById("overlay"), sent = [];
        const own = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, "currentTime");
        Object.defineProperty(video, "currentTime", {
            get: () => own.get.call(video),
            set(time) { sent.push(video.seeking); own.set.call(video, time); },
        });
        window.sent = sent;
        const key = () => new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true });
        const charts = document.getElementById("charts");
        for (let times = 0; times < 9; times++) charts.dispatchEvent(key());
        return sent;
    }""")
    assert sent == [False]
    wait_for_time(page, 9 / 25 + 0.005, within=0.001)
    assert page.evaluate("window.sent") == [False, False]
    assert "frame 9 " in page.locator("#readout").inner_text()
    wipe(page, 0)
    assert_disc_at(page, green, middle_of(9))


def test_playing_moves_the_cursor_and_the_original(tab: Tab, folder: Path) -> None:
    page = tab.open(folder / "report.html")
    ready(page)
    assert playhead(page) == pytest.approx(0, abs=0.01)
    page.locator("#speed").select_option("0.5")
    page.locator("#play").click()
    wait(page, "document.getElementById('play').textContent === 'Pause'")
    wait(page, "document.getElementById('overlay').currentTime > 0.6")
    wait(page, "document.getElementById('charts').getAttribute('aria-valuenow') >= 0.56")
    assert playhead(page) >= 0.28
    wait_for_step(page, within=0.1)
    page.locator("#play").click()
    wait(page, "document.getElementById('play').textContent === 'Play'")
    wait_for_step(page, within=2e-3)
    assert playhead(page) == pytest.approx(current(page) / (FRAMES / 25), abs=0.01)


def test_the_slider_wipes_between_original_and_overlay(tab: Tab, folder: Path) -> None:
    page = tab.open(folder / "report.html")
    ready(page)
    across = 2 * RADIUS
    page.locator("#wipe").focus()
    page.keyboard.press("Home")
    assert green(screen(page)).any(axis=0).sum() == pytest.approx(across, abs=3)
    page.keyboard.press("End")
    assert not green(screen(page)).any()
    assert bright(screen(page)).any(axis=0).sum() == pytest.approx(across, abs=3)
    box = page.locator("#screen").bounding_box()
    page.mouse.click(
        box["x"] + box["width"] * middle_of(0) / WIDTH, box["y"] + 5
    )  # through the disc
    shown = green(screen(page)).any(axis=0)
    assert not shown[: middle_of(0) - 4].any()
    assert shown[middle_of(0) + 4 : middle_of(0) + RADIUS - 4].all()


def test_keys_on_the_timeline(tab: Tab, folder: Path) -> None:
    page = tab.open(folder / "report.html")
    ready(page)
    charts = page.locator("#charts")
    charts.focus()
    for key, row in (
        ("End", FRAMES - 1),
        ("ArrowLeft", FRAMES - 2),
        ("Home", 0),
        ("ArrowLeft", 0),
        ("ArrowRight", 1),
        ("Shift+ArrowRight", 26),
        ("PageUp", FRAMES - 1),
        ("PageDown", 0),
    ):
        page.keyboard.press(key)
        # The timeline answers at once; the video follows one seek at a time.
        assert float(charts.get_attribute("aria-valuenow")) == pytest.approx(row / 25), key
        wait_for_time(page, row / 25)
    page.locator("#speed").select_option("0.1")  # it must not end before the second press
    charts.focus()
    page.keyboard.press("Space")
    wait(page, "document.getElementById('overlay').currentTime > 0.05")
    page.keyboard.press("Space")
    assert page.locator("#overlay").evaluate("(v) => v.paused")


def test_dragging_zooms_and_does_not_seek(tab: Tab, folder: Path) -> None:
    page = tab.open(folder / "report.html")
    ready(page)
    box = page.locator(".u-over").nth(1).bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.4 * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], y, steps=5)
    page.mouse.move(box["x"] + 0.6 * box["width"], y, steps=5)
    page.mouse.up()
    assert current(page) == 0
    for chart in (0, 3):  # all of them show 0.8 s to 1.2 s now
        click_timeline(page, 0.5, chart)
        wait_for_time(page, 1.0, within=0.03)
    page.locator("#zoom-all").click()
    click_timeline(page, 0.25)
    wait_for_time(page, 0.5, within=0.03)


def test_a_zoomed_view_turns_its_page_while_playing(tab: Tab, folder: Path) -> None:
    page = tab.open(folder / "report.html")
    ready(page)
    for _ in range(2):
        page.locator("#zoom-in").click()  # half a second is in view
    page.locator("#speed").select_option("0.5")
    page.locator("#play").click()
    wait(page, "document.getElementById('overlay').currentTime > 0.7")
    page.locator("#play").click()
    assert 0 <= playhead(page) <= 1
    assert page.locator(".playhead").first.is_visible()


def test_a_doubtful_moment_is_a_click_away(tab: Tab, folder: Path) -> None:
    page = tab.open(folder / "report.html")
    ready(page)
    moment = page.locator("[data-row='20']")
    assert "cornea lost" in moment.inner_text()
    assert moment.locator("img").evaluate("(image) => image.naturalWidth") == 320
    moment.click()
    wait_for_time(page, 20 / 25)
