"""The preview in a browser, to the end of the run and into the dark."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from queue import Queue

import cv2
import numpy as np
import pytest
from browser import Tab
from conftest import disc, write_video
from waiting import PATIENCE_S

from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.frame import MediaInfo
from cornea_stream.media.overlay import OverlayStyle
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_stream.sinks import Preview, PreviewSettings

INFO = MediaInfo(Path("a <b>.mp4"), "video", 160, 120, "yuv420p", Fraction(1, 1000), Fraction(25))


@pytest.fixture
def preview() -> Iterator[Preview]:
    served = Preview(PreviewSettings(), INFO, OverlayStyle())
    yield served
    served.abort()


class Run:
    """A run in a thread of its own, one frame whenever `step` is called."""

    def __init__(self, tmp_path: Path, segmenter: Segmenter, count: int) -> None:
        pictures = [disc(160, 120, 30 + 4 * i, 60, 24)[0] for i in range(count)]
        path = write_video(tmp_path / "eye of a cat.mp4", pictures)
        self.notes: Queue[str] = Queue()
        self.fail = False
        self._steps = threading.Semaphore(0)
        options = RunOptions(overlay=False, preview=PreviewSettings())
        self._thread = threading.Thread(
            target=self._run, args=(path, tmp_path / "out", segmenter, options), daemon=True
        )
        self._thread.start()
        self.address = self.notes.get(timeout=PATIENCE_S).removeprefix("Preview: ")

    def _run(self, *arguments: object) -> None:
        try:
            run_source(*arguments, on_note=self.notes.put, on_progress=self._wait)  # type: ignore[arg-type]
        except RuntimeError:
            assert self.fail

    def _wait(self, progress: object) -> None:
        self._steps.acquire(timeout=PATIENCE_S)
        if self.fail:
            raise RuntimeError

    def step(self, count: int = 1) -> None:
        self._steps.release(count)

    def join(self) -> None:
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


def canvas(page) -> np.ndarray:  # type: ignore[no-untyped-def]
    shot = page.locator("canvas").screenshot()
    return cv2.imdecode(np.frombuffer(shot, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)


def green_x(image: np.ndarray) -> float:
    """Where the painted cornea is, as a share of the width."""
    green = (image[..., 1] - image[..., 0] > 50) & (image[..., 1] - image[..., 2] > 50)
    green[: image.shape[0] // 3] = False  # the legend
    return float(np.nonzero(green)[1].mean() / image.shape[1])


def test_a_browser_shows_the_run_to_its_end(
    tmp_path: Path,
    segmenter: Segmenter,
    tab: Tab,
) -> None:
    page = tab.page
    run = Run(tmp_path, segmenter, 25)
    page.goto(run.address)
    assert page.title() == "eye of a cat · cornea-stream"
    page.locator("#state", has_text="running").wait_for()
    page.locator("canvas[width='160']").wait_for()
    first = green_x(canvas(page))
    assert first == pytest.approx(30 / 160, abs=0.03)
    run.step(15)
    page.locator("#time", has_text="00:00:00").wait_for()
    for _ in range(600):
        if green_x(canvas(page)) >= (30 + 4 * 13) / 160:
            break
        page.wait_for_timeout(50)
    assert green_x(canvas(page)) == pytest.approx((30 + 4 * 15) / 160, abs=0.03)
    assert "fps" in page.inner_text("#fps")
    assert not page.locator("#late").is_visible()
    run.step(99)
    page.locator("#state", has_text="finished").wait_for()
    run.join()
    assert green_x(canvas(page)) == pytest.approx((30 + 4 * 24) / 160, abs=0.03)
    assert tab.complaints == []


def test_a_browser_learns_of_a_failure(
    tmp_path: Path,
    segmenter: Segmenter,
    tab: Tab,
) -> None:
    run = Run(tmp_path, segmenter, 25)
    tab.page.goto(run.address)
    tab.page.locator("#state", has_text="running").wait_for()
    run.fail = True
    run.step()
    tab.page.locator("#state", has_text="stopped").wait_for()
    run.join()
    assert tab.complaints == []


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_the_page_follows_the_browser_into_the_dark(
    preview: Preview,
    tab: Tab,
    scheme: str,
    dark: bool,
) -> None:
    tab.page.emulate_media(color_scheme=scheme)
    tab.page.goto(preview.address)
    shot = tab.page.locator("header").screenshot()
    image = cv2.imdecode(np.frombuffer(shot, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert bool(np.median(image) < 60) is dark
    assert image.max() - int(image.min()) > 150  # the words can be read
