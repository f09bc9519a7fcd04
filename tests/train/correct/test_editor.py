"""What the server of the page answers."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from cornea_train.correct.editor import Editor
from cornea_train.correct.outline import (
    Polygon,
    to_json,
)
from cornea_train.correct.project import Project

from .conftest import ELLIPSE, ask


@pytest.fixture
def editor(project: Project) -> Iterator[Editor]:
    with Editor(project, next_step=lambda: "the command") as served:
        yield served


def put(editor: Editor, index: int, content: object, revision: str) -> tuple[int, Any]:
    status, _, body = ask(editor, f"frames/{index}", content, **{"If-Match": f'"{revision}"'})
    return status, json.loads(body)


def test_frames_and_images_over_http(editor: Editor, project: Project) -> None:
    overview = json.loads(ask(editor, "frames")[2])
    assert overview["next_step"] == "the command"
    assert [frame["name"] for frame in overview["frames"]] == [f.name for f in project.frames]
    status, headers, png = ask(editor, "frames/1/image")
    assert (status, headers["Content-Type"], headers["Cache-Control"]) == (
        200,
        "image/png",
        "no-store",
    )
    assert png == project.image(project.frames[1]).read_bytes()
    state = json.loads(ask(editor, "frames/1")[2])
    assert (state["width"], state["height"], state["done"]) == (160, 120, False)
    for wrong in (
        "frames/99",
        "frames/-1",
        "frames/1/../../x",
        "frames/1/ann",
        "x",
        "..%2f",
        "frames/%31",
    ):
        assert ask(editor, wrong)[0] == 404, wrong


def test_saving_over_http(
    editor: Editor, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {"outline": to_json(ELLIPSE), "done": True}
    status, state = put(editor, 0, kept, "new")
    assert (status, state["done"], state["outline"]) == (200, True, to_json(ELLIPSE))
    status, theirs = put(editor, 0, {**kept, "outline": {"kind": "none"}}, "new")
    assert (status, theirs) == (412, state)
    assert ask(editor, "frames/0", kept)[0] == 412  # without saying what was changed
    for content in ([], {"outline": to_json(ELLIPSE)}, {"done": True}, 5):
        assert put(editor, 1, content, "new")[0] in (400, 422)
    crossed = Polygon(((10, 10), (60, 60), (60, 10), (10, 60)))
    status, told = put(editor, 1, {"outline": to_json(crossed), "done": True}, "new")
    assert (status, told["message"]) == (422, "the outline crosses itself: move its points apart")
    assert ask(editor, "frames/1", "x" * 2**18)[0] == 413
    assert ask(editor, "frames/1/image", kept)[0] == 404
    shutil.rmtree(project.root / "case_eye" / "ann")
    (project.root / "case_eye" / "ann").write_text("in the way")
    status, told = put(editor, 1, kept, "new")
    assert status == 507
    assert "cannot write output" in told["message"]


def test_the_page_loads_nothing_from_elsewhere(editor: Editor) -> None:
    status, headers, page = ask(editor, "")
    assert status == 200
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; connect-src 'self'; img-src data: blob:;")
    assert "unsafe" not in policy
    assert b"{{" not in page
    assert not re.search(rb"(src|href)=\"(?!data:)", page)
    assert ask(editor, "", Host="evil.example")[0] == 403
