"""The web server of the preview, which requires a token in the address."""

from __future__ import annotations

import html
import ipaddress
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import TypeAlias
from urllib.parse import parse_qs, urlsplit

from cornea_stream.errors import OutputError

_ASK_AGAIN_S = 10.0
_PAGE_IS_GONE_S = 3.0
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # the address is the key
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG image, its frame number, and `facts` about it as ASCII JSON."""

    number: int
    jpeg: bytes
    facts: str


Ask: TypeAlias = Callable[[int, float], Picture | str | None]
"""(number, seconds to wait) -> an image with a higher number, how the run ended, or None."""


class PreviewServer:
    """Serves the page and its images in separate threads.

    Every request needs the token in `address`. Host names other than those of this machine are
    refused, which prevents DNS rebinding by other web pages.
    """

    def __init__(self, host: str, port: int, name: str, ask: Ask) -> None:
        """Start serving on `host` and `port` (0 for any free one). Raises OutputError."""
        try:
            self._server = _Server(host, port)
        except (OSError, OverflowError) as err:
            cause = getattr(err, "strerror", None) or err
            raise OutputError(
                f"cannot serve a preview: {host}:{port}: {cause}: choose another port or host"
            ) from err
        self._server.name, self._server.ask = name, ask
        shown = f"[{host}]" if ":" in host else host
        self.address = f"http://{shown}:{self._server.server_port}/{self._server.token}/"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="preview server", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop serving once all open pages know how the run ended."""
        self._server.wait_for_goodbyes()
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    name: str
    ask: Ask

    def __init__(self, host: str, port: int) -> None:
        self.token = secrets.token_urlsafe(16)
        self.hosts = {host.lower(), "localhost", socket.gethostname().lower()}
        self._lock = threading.Lock()
        self._pages: dict[str, float] = {}  # time of the last request of each page
        self._open: set[socket.socket] = set()
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)

    def asked(self, page: str) -> None:
        with self._lock:
            now = time.monotonic()
            self._pages = {
                p: at for p, at in self._pages.items() if now - at < _ASK_AGAIN_S + _PAGE_IS_GONE_S
            }
            self._pages[page] = now

    def said_goodbye(self, page: str) -> None:
        with self._lock:
            self._pages.pop(page, None)

    def wait_for_goodbyes(self) -> None:
        until = time.monotonic() + _PAGE_IS_GONE_S
        while self._pages and time.monotonic() < until:
            time.sleep(0.02)

    def get_request(self) -> tuple[socket.socket, object]:
        request, address = super().get_request()
        with self._lock:
            self._open.add(request)
        return request, address

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Wake the threads waiting for requests on open connections, so that they end."""
        with self._lock:
            for connection in self._open:
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore it: a browser that disconnects during a transfer is not an error."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"  # one connection for all images
    server_version, sys_version = "cornea-stream", ""
    timeout = 30

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        token, _, rest = address.path.removeprefix("/").partition("/")
        if not self._host_is_ours():
            self.send_error(HTTPStatus.FORBIDDEN)
        elif not secrets.compare_digest(token.encode(), self.server.token.encode()):
            self.send_error(HTTPStatus.NOT_FOUND)
        elif rest == "":
            self._send_page()
        elif rest == "picture":
            self._send_picture(parse_qs(address.query))
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _host_is_ours(self) -> bool:
        """Whether the Host header is an IP address or a known name of this machine."""
        name = re.sub(r":\d+$", "", self.headers.get("Host", "")).strip("[]").lower()
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self.server.hosts
        return True

    def _send_page(self) -> None:
        nonce = secrets.token_urlsafe(16)
        page = (
            resources.files("cornea_stream.sinks.preview")
            .joinpath("preview.html")
            .read_text("utf-8")
        )
        page = page.replace("{{nonce}}", nonce).replace("{{name}}", html.escape(self.server.name))
        self._send(
            page.encode(),
            {
                "Content-Type": "text/html; charset=utf-8",
                "Content-Security-Policy": "default-src 'none'; connect-src 'self'; img-src data:; "
                f"style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; base-uri 'none'; "
                "form-action 'none'; frame-ancestors 'none'",
            },
        )

    def _send_picture(self, query: dict[str, list[str]]) -> None:
        after, page = query.get("after", ["0"])[0], query.get("page", [""])[0][:32]
        if not re.fullmatch(r"\d{1,12}", after):
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        self.server.asked(page)
        answer = self.server.ask(int(after), _ASK_AGAIN_S)
        if isinstance(answer, Picture):
            facts = {"X-Number": str(answer.number), "X-Facts": answer.facts}
            self._send(answer.jpeg, {"Content-Type": "image/jpeg", **facts})
        else:
            self._send(b"", {"X-Ending": answer} if answer else {})
            if answer:
                self.server.said_goodbye(page)

    def _send(self, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(HTTPStatus.OK if content else HTTPStatus.NO_CONTENT)
        for name, value in (_HEADERS | headers).items():
            self.send_header(name, value)
        if content:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the parent's name)
        """Log nothing: standard error belongs to the run."""
