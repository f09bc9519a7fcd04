"""The page on which people correct a project's frames, served to this machine only."""

from __future__ import annotations

import html
import json
import re
import threading
from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus
from importlib import resources
from typing import Any

from cornea_stream.errors import OutputError
from cornea_stream.media.class_name import CLASS_NAME, in_words
from cornea_stream.page_server import PageServer, Request, Response, html_page
from cornea_train.correct.facts import FrameFacts
from cornea_train.correct.outline import BadOutlineError, from_json, to_json
from cornea_train.correct.project import ChangedError, FrameState, Project

HOST = "127.0.0.1"
_MAX_BODY = 2**18
_CORNEA = (
    "The cornea is the whole disc inside the limbus, also where instruments, lids or reflections "
    "hide it."
)
_FRAME = re.compile(r"frames/(\d{1,6})(/image)?")
_STYLE_OF_PAGES = "page.css"
_STYLES = ("correct.css",)
_SCRIPTS = ("outlines.js", "view.js", "drawing.js", "frames.js", "history.js", "correct.js")


class Editor:
    """Serves the page at `address` until it is closed.

    A change names the revision that it was made to, so that two tabs cannot overwrite each other.
    `next_step` returns the command to show when all frames are done.
    """

    def __init__(self, project: Project, *, port: int = 0, next_step: Callable[[], str]) -> None:
        """Start serving on a port, 0 for any free one. Raises OutputError."""
        self._project, self._next_step = project, next_step
        self._frames = list(project.frames)
        self._finished = threading.Event()
        self._server = PageServer(HOST, port, self._answer, what="the page", max_body=_MAX_BODY)
        self.address = self._server.address

    def wait(self) -> None:
        """Wait until somebody finishes on the page."""
        while not self._finished.wait(0.2):
            pass  # in steps, since Windows would not notice Ctrl-C

    def close(self) -> None:
        """Stop serving. All that was saved is on disk already."""
        self._server.stop()

    def __enter__(self) -> Editor:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _answer(self, request: Request) -> Response | HTTPStatus:
        place = request.method, request.path
        if place == ("GET", ""):
            return html_page(self._page())
        if place == ("GET", "frames"):
            return _json(self._overview())
        if place == ("PUT", "finish"):
            self._finished.set()
            return _json(self._overview())
        found = _FRAME.fullmatch(request.path)
        if not found or int(found[1]) >= len(self._frames):
            return HTTPStatus.NOT_FOUND
        frame = self._frames[int(found[1])]
        if request.method == "PUT":
            return HTTPStatus.NOT_FOUND if found[2] else self._save(frame, request)
        if found[2]:
            return self._image(frame)
        return _json(_described(frame, self._project.state(frame)))

    def _page(self) -> str:
        page = _asset("correct.html")
        shared = resources.files("cornea_stream.report").joinpath("assets", _STYLE_OF_PAGES)
        styles = "\n".join([shared.read_text("utf-8"), *map(_asset, _STYLES)])
        page = page.replace("{{styles}}", styles)
        page = page.replace("{{scripts}}", "\n".join(map(_asset, _SCRIPTS)))
        name = self._project.class_name
        page = page.replace("{{what}}", html.escape(in_words(name)))
        page = page.replace("{{definition}}", _CORNEA if name == CLASS_NAME else "")
        return page.replace("{{name}}", html.escape(self._project.root.resolve().name))

    def _overview(self) -> dict[str, Any]:
        frames = [
            {
                "case": frame.case.removeprefix("case_"),
                "name": frame.name,
                "time_s": frame.time_s,
                "reason": frame.reason,
                "done": self._project.is_done(frame),
            }
            for frame in self._frames
        ]
        return {"frames": frames, "next_step": self._next_step()}

    def _image(self, frame: FrameFacts) -> Response | HTTPStatus:
        try:
            content = self._project.image(frame).read_bytes()
        except OSError:
            return HTTPStatus.GONE
        return Response(content, {"Content-Type": "image/png"})

    def _save(self, frame: FrameFacts, request: Request) -> Response:
        revision = request.headers.get("If-Match", "").strip('"')
        try:
            content = json.loads(request.body)
            outline, done = from_json(content["outline"], frame.size), bool(content["done"])
            state = self._project.save(frame, outline, done=done, revision=revision)
        except ChangedError:
            now = _described(frame, self._project.state(frame))
            return _json(now, HTTPStatus.PRECONDITION_FAILED)
        except BadOutlineError as err:
            return _json({"message": str(err)}, HTTPStatus.UNPROCESSABLE_ENTITY)
        except (ValueError, LookupError, TypeError, RecursionError) as err:
            return _json({"message": f"malformed request: {err!r}"}, HTTPStatus.BAD_REQUEST)
        except OutputError as err:
            return _json({"message": str(err)}, HTTPStatus.INSUFFICIENT_STORAGE)
        return _json(_described(frame, state))


def _described(frame: FrameFacts, state: FrameState) -> dict[str, Any]:
    height, width = frame.size
    return {
        **asdict(state),
        "outline": to_json(state.outline),
        "proposal": to_json(frame.proposal),
        "width": width,
        "height": height,
    }


def _json(content: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(json.dumps(content).encode(), {"Content-Type": "application/json"}, status)


def _asset(name: str) -> str:
    return resources.files("cornea_train.correct").joinpath("assets", name).read_text("utf-8")
