"""Somebody at the page of `cornea-stream correct` who always knows where the cornea is."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, sync_playwright

from cornea_train.correct.outline import Ellipse, NoCornea

Place = tuple[float, float]
Truth = Callable[[str], Ellipse | NoCornea]
"""Returns the outline of the frame of a name, in pixels of the frame."""


def correct_all(address: str, truth: Truth) -> None:
    """Correct every frame in Chromium, with mouse and keys alone, and finish."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.goto(address)
        page.locator("#strip button").first.wait_for()
        for number in range(1, page.locator("#strip button").count() + 1):
            page.locator(f"#stage[data-frame='{number}']").wait_for()
            outline = truth(_name(page))
            if isinstance(outline, NoCornea):
                page.keyboard.press("x")
            else:
                _drag_to(page, outline)
                page.keyboard.press("Enter")
        page.locator("#end-form button[value=finish]").click()
        page.locator("#end-title", has_text="Finished").wait_for()
        browser.close()


def _name(page: Page) -> str:
    return str(page.locator("#picture").get_attribute("alt")).split(",")[0]


def _drag_to(page: Page, ellipse: Ellipse) -> None:
    """Drag center, rotation and two ends; with Shift, the opposite ends follow."""
    if not page.locator("[data-handle='a+']").count():  # nothing was found, or a polygon
        page.keyboard.press("e")
    page.keyboard.press("-")  # handles may lie beyond the frame
    picture = _box(page, "#picture")
    scale = picture["height"] / float(page.eval_on_selector("#picture", "p => p.naturalHeight"))
    center = picture["x"] + scale * ellipse.x, picture["y"] + scale * ellipse.y
    _drag(page, "center", center)
    knob = _middle(page, "turn")
    reach = math.dist(center, knob)
    _drag(page, "turn", _away(center, reach, ellipse.angle_deg))
    page.keyboard.down("Shift")
    _drag(page, "a+", _away(center, scale * ellipse.a, ellipse.angle_deg))
    _drag(page, "b+", _away(center, scale * ellipse.b, ellipse.angle_deg + 90))
    page.keyboard.up("Shift")


def _drag(page: Page, handle: str, to: Place) -> None:
    page.mouse.move(*_middle(page, handle))
    page.mouse.down()
    page.mouse.move(*to, steps=3)
    page.mouse.up()


def _middle(page: Page, handle: str) -> Place:
    box = _box(page, f"[data-handle='{handle}'] .dot")
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def _box(page: Page, selector: str) -> Any:
    return page.locator(selector).bounding_box()


def _away(center: Place, distance: float, angle_deg: float) -> Place:
    angle = math.radians(angle_deg)
    return center[0] + distance * math.cos(angle), center[1] + distance * math.sin(angle)
