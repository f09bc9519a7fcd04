"""The pages of a preview: the page itself, its images, and the end of the run."""

from __future__ import annotations

import html
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from importlib import resources
from typing import TypeAlias

from cornea_stream.page_server import PageServer, Request, Response, html_page

_ASK_AGAIN_S = 10.0
_PAGE_IS_GONE_S = 3.0


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG image, its frame number, and `facts` about it as ASCII JSON."""

    number: int
    jpeg: bytes
    facts: str


Ask: TypeAlias = Callable[[int, float], Picture | str | None]
"""(number, seconds to wait) -> an image with a higher number, how the run ended, or None."""


class PreviewServer:
    """Serves the page and its images in separate threads."""

    def __init__(self, host: str, port: int, name: str, ask: Ask) -> None:
        """Start serving on `host` and `port` (0 for any free one). Raises OutputError."""
        self._name, self._ask = name, ask
        self._lock = threading.Lock()
        self._pages: dict[str, float] = {}  # time of the last request of each page
        self._server = PageServer(host, port, self._answer, what="a preview")
        self.address = self._server.address

    def stop(self) -> None:
        """Stop serving once all open pages know how the run ended."""
        until = time.monotonic() + _PAGE_IS_GONE_S
        while self._pages and time.monotonic() < until:
            time.sleep(0.02)
        self._server.stop()

    def _answer(self, request: Request) -> Response | HTTPStatus:
        if request.path == "":
            return self._page()
        if request.path == "picture":
            return self._picture(request.query)
        return HTTPStatus.NOT_FOUND

    def _page(self) -> Response:
        file = resources.files("cornea_stream.sinks.preview").joinpath("preview.html")
        page = file.read_text("utf-8").replace("{{name}}", html.escape(self._name))
        return html_page(page)

    def _picture(self, query: Mapping[str, str]) -> Response | HTTPStatus:
        after, page = query.get("after", "0"), query.get("page", "")[:32]
        if not re.fullmatch(r"\d{1,12}", after):
            return HTTPStatus.BAD_REQUEST
        self._asked(page)
        answer = self._ask(int(after), _ASK_AGAIN_S)
        if isinstance(answer, Picture):
            facts = {"X-Number": str(answer.number), "X-Facts": answer.facts}
            return Response(answer.jpeg, {"Content-Type": "image/jpeg", **facts})
        if answer:
            with self._lock:
                self._pages.pop(page, None)
        headers = {"X-Ending": answer} if answer else {}
        return Response(b"", headers, HTTPStatus.NO_CONTENT)

    def _asked(self, page: str) -> None:
        with self._lock:
            now = time.monotonic()
            self._pages = {
                p: at for p, at in self._pages.items() if now - at < _ASK_AGAIN_S + _PAGE_IS_GONE_S
            }
            self._pages[page] = now
