"""Sources that are not files: network streams, cameras, standard input.

An address can contain a password, so only `open_address` uses it in full. Everything that is
printed, logged, stored or used as a name comes from `str(address)` and `address.name`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from urllib.parse import urlsplit

from cornea_stream.errors import UsageError, wrong_type

NETWORK = ("rtsp", "rtmp", "udp", "http", "https")
"""Schemes of network addresses."""
_ENDLESS = ("rtsp", "rtmp", "udp", "camera")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+:/+)(?:[^\s/@]*@)?([^\s?#]*[^\s?#:])(?:[?#]\S*|:)?")
_CAMERA = re.compile(r"/dev/(video\d+|v4l/.+)")


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a stream; `str` gives it without user, password and query.

    `scheme` is one of NETWORK, camera or stdin. `url` is the address as given, including secrets.
    """

    scheme: str
    url: str = field(repr=False)

    def __str__(self) -> str:
        if self.scheme not in NETWORK:
            return self.url
        parts = urlsplit(self.url)
        return f"{self.scheme}://{_host(parts.netloc)}{parts.path}"

    @property
    def name(self) -> str:
        """Name of the output folder, built from host, port and path."""
        return address_name(str(self))

    @property
    def endless(self) -> bool:
        """Whether this is a live source, which has no end of its own."""
        return self.scheme in _ENDLESS


def find_address(source: object) -> Address | None:
    """Return `source` as an address, or None if it is a path.

    An integer is the number of a camera, and `sys.stdin` is standard input. A `Path` is never a
    network address or standard input.
    Raises UsageError for an address that cannot be opened, or if `source` is neither.

    >>> find_address(0), find_address("surgery.mp4")
    (Address(scheme='camera'), None)
    """
    if isinstance(source, Address):
        return source
    if isinstance(source, Integral) and not isinstance(source, bool):
        return _camera(int(source))
    if source is not None and (source is sys.stdin or source is getattr(sys.stdin, "buffer", 0)):
        source = "-"
    if not isinstance(source, str | os.PathLike):
        raise wrong_type("source", source, "a path, an address or a camera number")
    text = os.fspath(source)
    if _CAMERA.fullmatch(text):
        return Address("camera", text)
    if not isinstance(source, str):
        return None
    if text == "-":
        return Address("stdin", text)
    if not (match := _SCHEME.match(text)):
        return None
    scheme = match.group(1).lower()
    if scheme == "srt":
        raise UsageError(
            "srt:// cannot be read: the FFmpeg in PyAV is built without SRT: use udp or rtsp"
        )
    if scheme not in NETWORK:
        raise UsageError(
            f"{scheme}:// cannot be read: use {', '.join(NETWORK)}, or the path of a file"
        )
    try:
        parts = urlsplit(text)
        usable = parts.port is None or parts.port > 0
    except ValueError:
        usable = False
    if usable and has_torn_password(text):
        raise UsageError(torn_password(scheme))
    if not usable or not (parts.hostname or parts.port):
        raise UsageError(
            f"not a usable {scheme}:// address: write {scheme}://HOST:PORT/PATH, with %xx for "
            "special characters in user and password"
        )
    return Address(scheme, text)


def as_path(source: object) -> Path:
    """Return a source that is no address as a path."""
    assert isinstance(source, str | os.PathLike)
    return Path(source)


def lone_address(sources: Sequence[str]) -> Address | None:
    """Return the address if `sources` is a single address, or None if they are paths.

    Raises UsageError for an address among other sources.
    """
    addresses = [address for source in sources if (address := find_address(source))]
    if addresses and len(sources) > 1:
        raise UsageError(
            f"a stream must be the only source: {addresses[0]}: start one run for each source"
        )
    return addresses[0] if addresses else None


def address_name(label: str) -> str:
    """Return a folder name for `str(address)`: rtsp://10.0.0.5:554/cam becomes 10.0.0.5-554-cam."""
    if label == "-":
        return "stdin"
    scheme, _, rest = label.rpartition("://")
    plain = re.sub(r"[^A-Za-z0-9._]+", "-", rest.removeprefix("/dev/")).strip("-.")
    return f"{scheme}-{plain}" if rest.startswith(":") else plain


def without_secrets(text: str) -> str:
    """Return a text with user and query removed from all addresses, also if written as paths."""
    return _ADDRESS.sub(
        lambda found: found[1] + found[2] + (":" if found[0][-1] == ":" else ""), text
    )


def has_torn_password(text: str) -> bool:
    """Whether a / ? or # in the password may end the authority part of an address.

    The text before it would be parsed as host and port, and the rest would be shown.
    """
    authority = urlsplit(text).netloc
    return ":" in authority and "@" not in authority and "@" in text


def torn_password(scheme: str) -> str:
    """Return the error message for an address with such a password."""
    return (
        f"not a usable {scheme}:// address: there is an @ after the host: write %2F, %3F and %23 "
        "for / ? and # in a password, and %40 for an @ in a path"
    )


def _camera(number: int) -> Address:
    if number < 0 or not sys.platform.startswith("linux"):
        raise UsageError(
            f"no camera has this number here: {number}: open it with cv2.VideoCapture and pass that"
        )
    return Address("camera", f"/dev/video{number}")


def _host(netloc: str) -> str:
    return netloc.rpartition("@")[2]
