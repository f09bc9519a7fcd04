"""Outlines drawn with mouse and keys, and what is saved of them."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from browser import Tab
from waiting import wait_until

from cornea_train.correct.outline import Ellipse, NoCornea, Polygon
from cornea_train.correct.project import Project
from cornea_train.dataset import load_pair
from cornea_train.formats import find_pairs

from .conftest import SIZE, at_frame, drag, drag_handle, ellipse, middle, scale, state


def test_a_dragged_handle_moves_that_side_by_as_many_pixels(opened: Tab, project: Project) -> None:
    before = ellipse(project)
    assert (before.x, before.a) == pytest.approx((130.5, 56), abs=1)
    drag_handle(opened, "a+", 20, 0)
    wait_until(lambda: ellipse(project) != before, "the draft")
    after = ellipse(project)
    assert after.a - before.a == pytest.approx(10, abs=0.6)
    assert after.x - before.x == pytest.approx(10, abs=0.6)
    assert after.b == before.b
    assert not state(project).done
    assert not (project.root / "case_eye").exists()
    opened.page.keyboard.press("Enter")
    at_frame(opened, 2)
    (pair,), problems = find_pairs(project.root)
    assert problems == []
    mask = load_pair(pair)[1]
    assert np.array_equal(mask, after.mask(SIZE))
    columns = np.flatnonzero(mask.any(axis=0))
    assert (columns[0], columns[-1]) == pytest.approx((130 - 56, 130 + 56 + 20), abs=2)
    assert opened.complaints == []


def test_zoomed_and_panned_too(opened: Tab, project: Project) -> None:
    factor = scale(opened)
    opened.page.mouse.move(700, 400)
    opened.page.mouse.wheel(0, -300)
    zoomed = pytest.approx(factor * np.exp(300 / 500), rel=0.01)
    wait_until(lambda: scale(opened) == zoomed, "the zoom")
    drag(opened, (200, 150), 25, 15)
    before, there = ellipse(project), middle(opened, "center")
    drag_handle(opened, "center", -12, 7)
    wait_until(lambda: ellipse(project) != before, "the draft")
    after = ellipse(project)
    assert (after.x - before.x, after.y - before.y) == pytest.approx((-12, 7), abs=0.5)
    assert (after.a, after.b) == (before.a, before.b)
    opened.page.keyboard.press("f")
    assert scale(opened) == pytest.approx(factor, rel=0.01)
    assert there != middle(opened, "center")


def test_turning_and_both_sides_at_once(opened: Tab, project: Project) -> None:
    before = ellipse(project)
    opened.page.keyboard.down("Shift")
    drag_handle(opened, "b+", 0, -20)
    opened.page.keyboard.up("Shift")
    wait_until(lambda: ellipse(project) != before, "the draft")
    narrow = ellipse(project)
    assert (narrow.x, narrow.y) == pytest.approx((before.x, before.y))
    assert before.b - narrow.b == pytest.approx(20, abs=0.8)
    reach = (middle(opened, "turn")[0] - middle(opened, "center")[0]) / scale(opened)
    drag_handle(opened, "turn", -reach, reach)
    wait_until(lambda: ellipse(project) != narrow, "the draft")
    assert ellipse(project).angle_deg == pytest.approx(90, abs=1)


def test_keys_alone(opened: Tab, project: Project) -> None:
    before, page = ellipse(project), opened.page
    page.locator("[data-handle='a+']").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    wait_until(lambda: ellipse(project).a > before.a + 5, "the draft")
    assert ellipse(project).a - before.a == pytest.approx(5.5, abs=0.1)
    page.keyboard.press("z")
    page.keyboard.press("z")
    wait_until(lambda: ellipse(project) == before, "the outline from before")
    page.keyboard.press("Shift+Z")
    wait_until(lambda: ellipse(project).a > before.a + 0.4, "the outline from after")
    page.locator("#stage").focus()
    page.keyboard.press("ArrowRight")
    at_frame(opened, 2)
    page.keyboard.press("ArrowLeft")
    at_frame(opened, 1)
    page.keyboard.press("r")
    wait_until(lambda: ellipse(project) == before, "the proposal")
    page.keyboard.press("]")
    assert "brightness" in page.locator("#picture").get_attribute("style")
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Enter")
    assert not page.locator("#help").is_visible()
    assert page.locator("#progress").inner_text() == "0 of 4 done"
    page.keyboard.down("h")
    assert not page.locator("#drawing").is_visible()
    page.keyboard.up("h")
    assert page.locator("#drawing").is_visible()


def test_no_cornea_is_tagged_and_taken_back(opened: Tab, project: Project) -> None:
    proposal = ellipse(project)
    opened.page.keyboard.press("x")
    at_frame(opened, 2)
    (pair,) = find_pairs(project.root)[0]
    assert [tag["name"] for tag in json.loads(pair.annotation.read_text())["tags"]] == ["no cornea"]
    assert not load_pair(pair)[1].any()
    assert opened.page.locator("#progress").inner_text() == "1 of 4 done"
    opened.page.keyboard.press("Control+z")
    at_frame(opened, 1)
    wait_until(lambda: not state(project).done, "the frame to be open again")
    assert state(project).outline == proposal
    assert not list((project.root / "case_eye").rglob("*.*"))
    opened.page.locator("#progress", has_text="0 of 4 done").wait_for()


def test_a_frame_in_which_nothing_was_found(opened: Tab, project: Project) -> None:
    number = 1 + [isinstance(frame.proposal, NoCornea) for frame in project.frames].index(True)
    opened.page.locator("#strip button").nth(number - 1).click()
    at_frame(opened, number)
    assert "No cornea was found" in opened.page.locator("#hint").inner_text()
    opened.page.keyboard.press("e")
    wait_until(lambda: isinstance(state(project, number).outline, Ellipse), "a new ellipse")
    drawn = ellipse(project, number)
    assert (drawn.x, drawn.y) == pytest.approx((160, 120), abs=1)
    assert not state(project, number).done


def test_points_of_a_polygon(opened: Tab, project: Project) -> None:
    def points() -> np.ndarray:
        outline = state(project).outline
        return np.array(outline.points) if isinstance(outline, Polygon) else np.empty((0, 2))

    page = opened.page
    circle = ellipse(project).mask(SIZE)
    page.keyboard.press("p")
    wait_until(lambda: len(points()) == 24, "the polygon")
    first = points()
    mask = state(project).outline.mask(SIZE)
    assert abs(int(np.count_nonzero(mask)) - int(np.count_nonzero(circle))) < 100
    drag_handle(opened, "point 0", 15, -4)
    wait_until(lambda: not np.array_equal(points(), first), "the moved point")
    moved = points()
    assert moved[0] - first[0] == pytest.approx((15, -4), abs=0.5)
    assert np.array_equal(moved[1:], first[1:])
    between = [
        sum(pair) / 2
        for pair in zip(middle(opened, "point 6"), middle(opened, "point 7"), strict=True)
    ]
    drag(opened, (between[0], between[1]), 0, 12)
    wait_until(lambda: len(points()) == 25, "the new point")
    assert points()[7] == pytest.approx((first[6] + first[7]) / 2 + (0, 12), abs=1)
    page.keyboard.press("Delete")
    wait_until(lambda: len(points()) == 24, "the end of the new point")
    assert np.array_equal(points(), moved)
    page.mouse.dblclick(*middle(opened, "point 3"))
    wait_until(lambda: len(points()) == 23, "the end of another point")
    page.keyboard.press("z")
    page.keyboard.press("z")
    page.keyboard.press("z")
    wait_until(lambda: np.array_equal(points(), moved), "the points from before")
    page.keyboard.press("z")
    wait_until(lambda: np.array_equal(points(), first), "the points from before")
    page.keyboard.press("e")
    wait_until(lambda: isinstance(state(project).outline, Ellipse), "an ellipse")
    assert ellipse(project).x == pytest.approx(130.5, abs=1)
    assert ellipse(project).a == pytest.approx(56, abs=1)


def test_an_outline_that_crosses_itself_is_not_accepted(opened: Tab, project: Project) -> None:
    opened.page.keyboard.press("p")
    drag_handle(opened, "point 0", -130, 0)
    opened.page.keyboard.press("Enter")
    opened.page.locator("#alert", has_text="crosses itself").wait_for()
    assert not state(project).done
    assert opened.page.locator("#status").inner_text() == "open"
    assert opened.page.locator("#stage").get_attribute("data-frame") == "1"
    opened.page.keyboard.press("r")
    wait_until(lambda: isinstance(state(project).outline, Ellipse), "the proposal")
    opened.page.keyboard.press("Enter")
    at_frame(opened, 2)
    assert not opened.page.locator("#alert").is_visible()


def test_an_accepted_frame_stays_accepted_while_it_is_changed(
    opened: Tab, project: Project
) -> None:
    opened.page.keyboard.press("Enter")
    at_frame(opened, 2)
    opened.page.keyboard.press("ArrowLeft")
    at_frame(opened, 1)
    before = ellipse(project)
    drag_handle(opened, "center", 9, 0)
    wait_until(lambda: ellipse(project) != before, "the change")
    assert state(project).done
    (pair,) = find_pairs(project.root)[0]
    assert np.array_equal(load_pair(pair)[1], ellipse(project).mask(SIZE))


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
@pytest.mark.parametrize("size", [(1366, 768), (3840, 2160)])
def test_everything_fits_on_the_screen(
    opened: Tab, scheme: str, dark: bool, size: tuple[int, int]
) -> None:
    page = opened.page
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    bar = page.locator(".tool-bar")
    assert bar.bounding_box()["height"] < 0.1 * size[1]  # one row
    assert page.locator("#stage").bounding_box()["height"] > 0.75 * size[1]
    image = cv2.imdecode(np.frombuffer(bar.screenshot(), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert bool(np.median(image) < 60) is dark
