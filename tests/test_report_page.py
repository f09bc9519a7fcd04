"""report.html and index.html in a browser: what is clicked, keyed and played moves the rest."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from browser import Tab
from conftest import Image, bright_segmenter, disc, moving_discs, write_video

from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.report import write_index, write_report
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source

FRAMES = 50
WIDTH, RADIUS = 360, 28
DARK = range(20, 26)
_BARE = ".seam, .tag { visibility: hidden; }"


def middle_of(index: int) -> int:
    """Return the column of the disc's middle: far enough from the next one's to tell them apart."""
    return 32 + 6 * index


def walking(count: int = FRAMES) -> list[Image]:
    """Return pictures of a disc that walks to the right."""
    return [disc(WIDTH, 120, middle_of(index), 60, RADIUS)[0] for index in range(count)]


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


def wait(page: Any, condition: str, argument: Any = None) -> None:
    """Wait until a condition holds; Playwright's own waiting is not allowed to run in this page."""
    for _ in range(1200):
        if page.evaluate(condition, argument):
            return
        page.wait_for_timeout(50)
    raise AssertionError(condition)


def ready(page: Any) -> None:
    wait(page, "[...document.querySelectorAll('video')].every((v) => v.readyState >= 2)")


def settled(page: Any) -> None:
    """Wait until both videos show what they were told to."""
    wait(page, "[...document.querySelectorAll('video')].every((v) => v.paused && !v.seeking)")


def wait_for_time(page: Any, time_s: float, within: float = 0.006) -> None:
    """Wait until the overlay stands at a time: while it seeks it may still be on its way there."""
    arrived = """([time_s, within]) => {
        const video = document.getElementById("overlay");
        return !video.seeking && Math.abs(video.currentTime - time_s) <= within;
    }"""
    wait(page, arrived, [time_s, within])


def wait_for_step(page: Any, within: float) -> None:
    """Wait until the original stands where the overlay does."""
    in_step = """(within) => {
        const [a, b] = ["overlay", "original"].map((id) => document.getElementById(id));
        return !a.seeking && !b.seeking && Math.abs(a.currentTime - b.currentTime) <= within;
    }"""
    wait(page, in_step, within)


def screen(page: Any) -> Image:
    """Return the picture as the user sees it, RGB, at the size of the video."""
    png = np.frombuffer(page.locator("#screen").screenshot(style=_BARE), np.uint8)
    image = cv2.resize(cv2.imdecode(png, 1), (WIDTH, 120), interpolation=cv2.INTER_AREA)
    return np.asarray(image[..., ::-1], np.uint8)


def green(image: Image) -> Any:
    red, green_, blue = image[40:80].astype(int).transpose(2, 0, 1)  # below the legend
    return (green_ > red + 60) & (green_ > blue + 60)


def bright(image: Image) -> Any:
    return image[40:80].min(axis=2) > 150


def middle(mask: Any) -> float:
    """Return the middle column of a mask, NaN when it is empty."""
    columns = np.flatnonzero(mask.any(axis=0))
    return float(columns.mean()) if len(columns) else float("nan")


def assert_disc_at(page: Any, color: Callable[[Image], Any], x: float) -> None:
    """Assert that the disc is painted with its middle in column `x`."""
    found = float("nan")
    for _ in range(40):  # what is decoded is not painted at once
        found = middle(color(screen(page)))
        if abs(found - x) <= 2.5:
            return
        page.wait_for_timeout(50)
    assert found == pytest.approx(x, abs=2.5)


def wipe(page: Any, share: int) -> None:
    page.locator("#wipe").evaluate(
        "(range, value) => { range.value = value; range.dispatchEvent(new Event('input')); }", share
    )


def current(page: Any, video: str = "overlay") -> float:
    return float(page.locator(f"#{video}").evaluate("(v) => v.currentTime"))


def playhead(page: Any) -> float:
    """Return where on the timeline the cursor stands, 0 to 1."""
    return float(
        page.locator(".playhead").first.evaluate(
            "(p) => (p.getBoundingClientRect().x + 1 - p.parentElement.getBoundingClientRect().x)"
            " / p.parentElement.clientWidth"
        )
    )


def click_timeline(page: Any, share: float, chart: int = 0) -> None:
    plot = page.locator(".u-over").nth(chart)
    box = plot.bounding_box()
    plot.click(position={"x": share * box["width"], "y": box["height"] / 2})


def test_it_loads_in_silence_and_asks_for_nothing_but_the_videos(tab: Tab, folder: Path) -> None:
    page = tab.open(folder / "report.html")
    ready(page)
    assert tab.complaints == []
    wanted = [folder / "report.html", folder / "overlay.mp4", folder.parents[1] / "eye.mp4"]
    assert sorted(set(tab.requests)) == sorted(path.as_uri() for path in wanted)
    assert page.locator(".chart canvas").count() == 4
    assert page.locator("#notes").inner_text() == ""
    assert page.title().startswith("eye.mp4")


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


def test_everything_can_be_reached_by_tab(tab: Tab, folder: Path) -> None:
    page = tab.open(folder / "report.html")
    ready(page)
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    for name in ("wipe", "play", "back", "forward", "sound", "speed", "charts", "zoom-all", "A"):
        assert name in reached


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


def test_a_doubtful_moment_is_a_click_away(tab: Tab, folder: Path) -> None:
    page = tab.open(folder / "report.html")
    ready(page)
    moment = page.locator("[data-row='20']")
    assert "cornea lost" in moment.inner_text()
    assert moment.locator("img").evaluate("(image) => image.naturalWidth") == 320
    moment.click()
    wait_for_time(page, 20 / 25)


def test_a_missing_original_is_told_and_the_overlay_stays(tab: Tab, folder: Path) -> None:
    original = folder.parents[1] / "eye.mp4"
    original.rename(original.with_name("elsewhere.mp4"))
    page = tab.open(folder / "report.html")
    wait(page, "document.querySelector('#notes li')")
    assert "has been moved" in page.locator("#notes").inner_text()
    assert not page.locator("#wipe").is_visible()
    wait(page, "document.getElementById('overlay').readyState >= 2")
    assert green(screen(page)).any()
    click_timeline(page, 0.5)
    wait_for_time(page, 1, within=0.03)


def test_a_missing_overlay_is_told_and_the_timeline_stays(tab: Tab, folder: Path) -> None:
    (folder / "overlay.mp4").unlink()
    page = tab.open(folder / "report.html")
    wait(page, "document.querySelector('#notes li')")
    assert "is not beside this page" in page.locator("#notes").inner_text()
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
