"""report.html and index.html in a browser: what is missing, on paper, on a phone, in the dark."""

from __future__ import annotations

import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from browser import Tab
from conftest import moving_discs, write_video

from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.report import write_index, write_report
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from report.page import (
    DARK,
    FRAMES,
    assert_disc_at,
    click_timeline,
    green,
    middle_of,
    playhead,
    ready,
    screen,
    wait,
    wait_for_time,
    walking,
    wipe,
)


def test_it_loads_in_silence_and_asks_for_nothing_but_the_videos(tab: Tab, folder: Path) -> None:
    page = tab.open(folder / "report.html")
    ready(page)
    assert tab.complaints == []
    wanted = [folder / "report.html", folder / "overlay.mp4", folder.parents[1] / "eye.mp4"]
    assert sorted(set(tab.requests)) == sorted(path.as_uri() for path in wanted)
    assert page.locator(".chart canvas").count() == 4
    assert page.locator("#notes").inner_text() == ""
    assert page.title().startswith("eye.mp4")


def test_everything_can_be_reached_by_tab(tab: Tab, folder: Path) -> None:
    page = tab.open(folder / "report.html")
    ready(page)
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    for name in ("wipe", "play", "back", "forward", "sound", "speed", "charts", "zoom-all", "A"):
        assert name in reached


def test_stretches_are_shaded(tab: Tab, folder: Path) -> None:
    told = json.loads((folder / "run.json").read_text())
    told["damaged_s"] = [[1.6, 1.7]]
    (folder / "run.json").write_text(json.dumps(told))
    write_report(folder)
    page = tab.open(folder / "report.html")
    canvas = page.locator(".chart canvas").nth(1)
    plot = page.locator(".u-over").nth(1).bounding_box()
    shot = cv2.imdecode(np.frombuffer(page.screenshot(full_page=True), np.uint8), cv2.IMREAD_COLOR)

    def color(time_s: float) -> list[int]:
        x = plot["x"] + plot["width"] * time_s / (FRAMES / 25)
        return [int(v) for v in shot[int(plot["y"]) + 3, int(x)][::-1]]

    assert canvas.is_visible()
    plain = color(0.43)
    assert color((DARK[0] + 3) / 25) != plain
    assert color(1.65) not in (plain, color((DARK[0] + 3) / 25))
    assert color(1.75) == plain


def test_a_missing_original_is_told_and_the_overlay_stays(tab: Tab, folder: Path) -> None:
    original = folder.parents[1] / "eye.mp4"
    original.rename(original.with_name("elsewhere.mp4"))
    page = tab.open(folder / "report.html")
    wait(page, "document.querySelector('#notes li')")
    assert page.locator("#notes li").count() == 1
    assert not page.locator("#wipe").is_visible()
    wait(page, "document.getElementById('overlay').readyState >= 2")
    assert green(screen(page)).any()
    click_timeline(page, 0.5)
    wait_for_time(page, 1, within=0.03)


def test_a_missing_overlay_is_told_and_the_timeline_stays(tab: Tab, folder: Path) -> None:
    (folder / "overlay.mp4").unlink()
    page = tab.open(folder / "report.html")
    wait(page, "document.querySelector('#notes li')")
    assert page.locator("#notes li").count() == 1
    assert not page.locator(".stage").is_visible()
    click_timeline(page, 0.81)
    assert "frame 40 " in page.locator("#readout").inner_text()


def test_without_any_video_the_timeline_works_alone(tab: Tab, folder: Path) -> None:
    (folder / "overlay.mp4").unlink()
    (folder.parents[1] / "eye.mp4").unlink()
    page = tab.open(write_report(folder).path)
    click_timeline(page, 0.81)
    assert "frame 40 " in page.locator("#readout").inner_text()
    assert playhead(page) == pytest.approx(0.8, abs=0.01)
    assert tab.complaints == []


def test_an_image_is_compared_too(tab: Tab, tmp_path: Path, segmenter: Segmenter) -> None:
    cv2.imwrite(str(tmp_path / "eye.png"), walking(1)[0][..., ::-1])
    options = RunOptions(report=True, opacity=1)
    out = Path(run_source(tmp_path / "eye.png", tmp_path / "out", segmenter, options).folder)
    page = tab.open(out / "report.html")
    wait(page, "[...document.querySelectorAll('#screen img')].every((i) => i.naturalWidth)")
    wipe(page, 0)
    assert_disc_at(page, green, middle_of(0))
    wipe(page, 100)
    assert not green(screen(page)).any()
    assert page.locator("#charts").count() == 0
    assert tab.complaints == []


@pytest.mark.parametrize(
    "name", ["<img src=x onerror=hit=1>", '"><script>hit=1<!--', "a:b %23#?&'c'", "{{7*7}}"]
)
def test_no_name_is_taken_for_code(
    tab: Tab, tmp_path: Path, segmenter: Segmenter, name: str
) -> None:
    video = write_video(tmp_path / f"{name.replace('/', '')}.mp4", moving_discs(5))
    out = Path(run_source(video, tmp_path / "out", segmenter, RunOptions(report=True)).folder)
    told = json.loads((out / "run.json").read_text())
    told["warnings"] = told["settings"]["color"] = ["</script><script>hit=1</script>"]
    (out / "run.json").write_text(json.dumps(told))
    page = tab.open(write_report(out).path)
    ready(page)
    assert page.locator("h1").inner_text() == video.name
    assert page.locator(".warnings li").inner_text() == "</script><script>hit=1</script>"
    index, _ = write_index(tmp_path / "out")
    assert page.evaluate("window.hit") is None
    page = tab.open(index)
    assert page.locator("tbody th").inner_text().startswith(video.name)
    assert page.evaluate("window.hit") is None
    page.locator("tbody a").click()
    ready(page)
    assert tab.complaints == []


def test_dark_mode_repaints_the_charts(tab: Tab, folder: Path) -> None:
    page = tab.open(folder / "report.html")
    paint = "document.querySelector('.chart canvas').toDataURL()"
    ground = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(paint), page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    wait(page, f"(earlier) => {paint} !== earlier", before[0])
    assert page.evaluate(ground) != before[1]


def test_print_is_light_and_fits(tab: Tab, folder: Path) -> None:
    page = tab.open(folder / "report.html")
    page.emulate_media(color_scheme="dark", media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".chart canvas").first.bounding_box()["width"] == 680
    shown = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--panel')")
    assert shown.strip() == "#ffffff"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator(".chart canvas").first.bounding_box()["width"] > 680
    assert io.BytesIO(page.pdf()).read(4) == b"%PDF"


def test_a_phone_needs_no_sideways_scrolling(tab: Tab, folder: Path) -> None:
    tab.page.set_viewport_size({"width": 390, "height": 844})
    index, _ = write_index(folder.parent)
    for path in (folder / "report.html", index):
        page = tab.open(path)
        for part in ("document.scrollingElement", "document.querySelector('main')"):
            assert page.evaluate(f"{part}.scrollWidth - {part}.clientWidth") == 0
    page = tab.open(folder / "report.html")
    assert page.locator(".u-over").first.bounding_box()["width"] > 250


def test_the_index_sorts(tab: Tab, tmp_path: Path, segmenter: Segmenter) -> None:
    for name, frames, fps in (("b", 12, 0.85), ("a10", 3, 0.9), ("a2", 7, None)):
        video = write_video(tmp_path / f"{name}.mp4", moving_discs(frames))
        out = Path(run_source(video, tmp_path / "out", segmenter, RunOptions(metrics=True)).folder)
        told = json.loads((out / "run.json").read_text())
        (out / "run.json").write_text(json.dumps({**told, "fps": fps}))
    index, _ = write_index(tmp_path / "out")
    page = tab.open(index)

    def column(number: int) -> list[str]:
        cells = page.locator(f"tbody tr > :nth-child({number})").all()
        return [cell.inner_text().split("\n")[0] for cell in cells]

    def sort_by(heading: str) -> None:
        page.get_by_role("button", name=heading).click()

    sort_by("Frames")
    assert column(3) == ["3", "7", "12"]
    assert column(1) == ["a10.mp4", "a2.mp4", "b.mp4"]
    sort_by("Frames")
    assert column(3) == ["12", "7", "3"]
    assert page.locator("[aria-sort=descending]").inner_text() == "Frames"
    sort_by("Speed, fps")
    assert column(1) == ["a2.mp4", "b.mp4", "a10.mp4"]  # what is not known comes first
    sort_by("Run")
    assert column(1) == ["a2.mp4", "a10.mp4", "b.mp4"]
    assert {url.partition(":")[0] for url in tab.requests} == {"file"}
    assert tab.complaints == []
