"""The server of pages: who may ask, how much they may send, and what becomes of the last answer."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from queue import Queue
from urllib.parse import urlsplit

import pytest
from waiting import PATIENCE_S

from cornea_stream import page_server
from cornea_stream.page_server import PageServer, Request, Response


def echo(request: Request) -> Response | HTTPStatus:
    if request.path == "missing":
        return HTTPStatus.NOT_FOUND
    return Response(f"{request.method} {request.path} ".encode() + request.body)


@pytest.fixture
def server() -> Iterator[PageServer]:
    served = PageServer("127.0.0.1", 0, echo, what="a test", max_body=100)
    yield served
    served.stop()


def put(
    server: PageServer, body: bytes, path: str | None = None, **headers: str
) -> tuple[int, bytes]:
    parts = urlsplit(server.address)
    with closing(http.client.HTTPConnection("127.0.0.1", parts.port, timeout=PATIENCE_S)) as line:
        line.request("PUT", parts.path + "x" if path is None else path, body, headers)
        reply = line.getresponse()
        return reply.status, reply.read()


def test_bodies_up_to_the_limit(server: PageServer) -> None:
    assert put(server, b"a" * 100) == (200, b"PUT x " + b"a" * 100)
    assert put(server, b"a" * 101)[0] == 413
    assert put(server, b"a", path="/wrong/x")[0] == 404
    assert put(server, b"a", Host="evil.example")[0] == 403
    parts = urlsplit(server.address)
    for length in ("", "Content-Length: -1\r\n", "Content-Length: x\r\n"):
        with closing(socket.create_connection(("127.0.0.1", parts.port))) as line:
            head = f"PUT {parts.path}x HTTP/1.1\r\nHost: 127.0.0.1\r\n{length}\r\n"
            line.sendall(head.encode())
            assert line.recv(100).startswith(b"HTTP/1.1 411")


def test_pages_that_take_nothing() -> None:
    served = PageServer("127.0.0.1", 0, echo, what="a test")
    assert put(served, b"a")[0] == 501
    served.stop()


def test_stopping_waits_for_the_answer_that_is_being_given() -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slow(request: Request) -> Response:
        asked.set()
        assert go_on.wait(PATIENCE_S)
        return Response(b"last")

    served = PageServer("127.0.0.1", 0, slow, what="a test", max_body=100)
    answers: Queue[tuple[int, bytes]] = Queue()
    asking = threading.Thread(target=lambda: answers.put(put(served, b"a")))
    asking.start()
    assert asked.wait(PATIENCE_S)
    stopping = threading.Thread(target=served.stop)
    stopping.start()
    stopping.join(0.3)
    assert stopping.is_alive()
    go_on.set()
    assert answers.get(timeout=PATIENCE_S) == (200, b"last")
    asking.join(PATIENCE_S)
    stopping.join(PATIENCE_S)
    assert not stopping.is_alive()


def test_a_browser_that_has_reset_its_connection_is_no_error_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(page_server, "_LAST_ANSWERS_S", 0.1)
    asked, go_on = threading.Event(), threading.Event()

    def slow(request: Request) -> Response:
        asked.set()
        assert go_on.wait(PATIENCE_S)
        return Response(b"late")

    served = PageServer("127.0.0.1", 0, slow, what="a test")
    parts = urlsplit(served.address)
    line = socket.create_connection(("127.0.0.1", parts.port))
    line.sendall(f"GET {parts.path}x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    assert asked.wait(PATIENCE_S)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.close()  # which resets the connection
    served.stop()
    go_on.set()
