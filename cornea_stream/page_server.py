"""A web server for pages of this machine, which requires a token in the address."""

from __future__ import annotations

import ipaddress
import re
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias
from urllib.parse import parse_qsl, urlsplit

from cornea_stream.errors import OutputError

_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # the address is the key
    "X-Content-Type-Options": "nosniff",
}
_LENGTH = re.compile(r"\d{1,12}")
_LAST_ANSWERS_S = 3.0


@dataclass(frozen=True, slots=True)
class Request:
    """A request: `path` is what follows the token, `body` is empty unless the method is PUT."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Message
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """What a request is answered with."""

    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    status: HTTPStatus = HTTPStatus.OK


Answer: TypeAlias = Callable[[Request], "Response | HTTPStatus"]
"""Answers one request, in a thread of its own; a status is an error without further content."""


def html_page(html: str) -> Response:
    """Return a page in which only what is marked with {{nonce}} is a style or a script.

    Images come from its scripts; nothing else is loaded, and nothing from elsewhere.
    """
    nonce = secrets.token_urlsafe(16)
    policy = (
        f"default-src 'none'; connect-src 'self'; img-src data: blob:; "
        f"style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
    return Response(
        html.replace("{{nonce}}", nonce).encode(),
        {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy},
    )


class PageServer:
    """Answers requests that know the token in `address`.

    Host names other than those of this machine are refused, which prevents DNS rebinding by other
    web pages. PUT is accepted with up to `max_body` bytes.
    """

    def __init__(
        self, host: str, port: int, answer: Answer, *, what: str, max_body: int = 0
    ) -> None:
        """Start serving on `host` and `port` (0 for any free one). Raises OutputError."""
        try:
            self._server = _Server(host, port, answer, max_body)
        except (OSError, OverflowError) as err:
            cause = getattr(err, "strerror", None) or err
            raise OutputError(
                f"cannot serve {what}: {host}:{port}: {cause}: choose another port or host"
            ) from err
        shown = f"[{host}]" if ":" in host else host
        self.address = f"http://{shown}:{self._server.server_port}/{self._server.token}/"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name=f"{what} server", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop serving, finish the answers that are being given, and close all connections."""
        self._server.shutdown()
        self._thread.join()
        self._server.wait_for_answers()
        self._server.hang_up()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, host: str, port: int, answer: Answer, max_body: int) -> None:
        self.token = secrets.token_urlsafe(16)
        self.hosts = {host.lower(), "localhost", socket.gethostname().lower()}
        self.answer, self.max_body = answer, max_body
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._answering, self._answered = 0, threading.Condition()
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)

    def get_request(self) -> tuple[socket.socket, object]:
        request, address = super().get_request()
        with self._lock:
            self._open.add(request)
        return request, address

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Count an answer until it has been sent."""
        with self._answered:
            self._answering += 1
        try:
            yield
        finally:
            with self._answered:
                self._answering -= 1
                self._answered.notify_all()

    def wait_for_answers(self) -> None:
        """Wait until nothing is being answered, or a browser is too slow."""
        with self._answered:
            self._answered.wait_for(lambda: not self._answering, _LAST_ANSWERS_S)

    def hang_up(self) -> None:
        """Wake the threads waiting for requests on open connections, so that they end."""
        with self._lock:
            for connection in self._open:
                with suppress(OSError):  # a browser can have reset it
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore it: a browser that disconnects during a transfer is not an error."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"  # one connection for all images
    server_version, sys_version = "cornea-stream", ""
    timeout = 30

    def do_GET(self) -> None:
        with self.server.answering():
            self._answer(b"")

    def do_PUT(self) -> None:
        with self.server.answering():
            self._put()

    def _put(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not self.server.max_body:
            self._refuse(HTTPStatus.NOT_IMPLEMENTED)
        elif not _LENGTH.fullmatch(length):
            self._refuse(HTTPStatus.LENGTH_REQUIRED)
        elif int(length) > self.server.max_body:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            self._answer(self.rfile.read(int(length)))

    def _answer(self, body: bytes) -> None:
        address = urlsplit(self.path)
        token, _, rest = address.path.removeprefix("/").partition("/")
        if not self._host_is_ours():
            self.send_error(HTTPStatus.FORBIDDEN)
            return
        if not secrets.compare_digest(token.encode(), self.server.token.encode()):
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        query = dict(parse_qsl(address.query))
        response = self.server.answer(Request(self.command, rest, query, self.headers, body))
        if isinstance(response, Response):
            self._send(response)
        else:
            self.send_error(response)

    def _refuse(self, status: HTTPStatus) -> None:
        """Refuse a request without reading its body, after which the connection is of no use."""
        self.close_connection = True
        self.send_error(status)

    def _host_is_ours(self) -> bool:
        """Whether the Host header is an IP address or a known name of this machine."""
        name = re.sub(r":\d+$", "", self.headers.get("Host", "")).strip("[]").lower()
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self.server.hosts
        return True

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in {**_HEADERS, **response.headers}.items():
            self.send_header(name, value)
        if response.status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(response.content)))
        self.end_headers()
        self.wfile.write(response.content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the parent's name)
        """Log nothing: standard error belongs to the run."""
