"""What the tests of report.html do with the page, and what they see."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import Image, disc

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


PAINT_S = 20
"""What is decoded is not painted at once, least of all by a busy machine without a GPU."""


def bright(image: Image) -> Any:
    return image[40:80].min(axis=2) > 150


def middle(mask: Any) -> float:
    """Return the middle column of a mask, NaN when it is empty."""
    columns = np.flatnonzero(mask.any(axis=0))
    return float(columns.mean()) if len(columns) else float("nan")


def assert_disc_at(page: Any, color: Callable[[Image], Any], x: float) -> None:
    """Assert that the disc is painted with its middle in column `x`."""
    found = float("nan")
    deadline = time.monotonic() + PAINT_S
    while time.monotonic() < deadline:
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
