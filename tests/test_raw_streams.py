"""Frames that are missing in raw H.264 and HEVC are noticed by their numbers; whole files pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import Image, write_video

from cornea_stream.errors import SourceError
from cornea_stream.sources import open_source
from cornea_stream.sources.nal_units import Bits, holds_forbidden_bytes, units

COUNT = 60
KINDS: dict[str, tuple[str, dict[str, str]]] = {
    "b-frames": ("h264", {"bf": "3", "g": "20"}),
    "no b-frames": ("h264", {"bf": "0", "g": "20"}),
    "pyramid": ("h264", {"bf": "7", "g": "250", "x264-params": "b-pyramid=normal:b-adapt=0"}),
    "baseline": ("h264", {"profile": "baseline", "g": "20"}),
    "slices": ("h264", {"bf": "2", "slices": "4"}),
    "fields": ("h264", {"bf": "2", "x264-params": "tff=1"}),
    "refresh": ("h264", {"bf": "2", "x264-params": "intra-refresh=1"}),
    "open": ("h264", {"bf": "3", "g": "10", "x264-params": "open-gop=1"}),
    "matrices": ("h264", {"bf": "2", "x264-params": "cqm=jvt"}),
    "pulldown": ("h264", {"bf": "2", "x264-params": "pulldown=32:fake-interlaced=1"}),
    "hevc": ("265", {"x265-params": "keyint=20"}),
    "hevc open": ("265", {"x265-params": "keyint=10:open-gop=1:bframes=4"}),
    "hevc closed": ("265", {"x265-params": "keyint=10:open-gop=0:bframes=4:b-pyramid=0"}),
    "hevc no b-frames": ("265", {"x265-params": "keyint=20:bframes=0"}),
    "hevc layers": ("265", {"x265-params": "keyint=20:temporal-layers=3"}),
    "hevc radl": ("265", {"x265-params": "keyint=12:min-keyint=12:open-gop=0:radl=2:bframes=4"}),
}
SIZE = (64, 96)


def noise(count: int) -> list[Image]:
    rng = np.random.default_rng(1)
    still = rng.integers(0, 255, (*SIZE, 3)).astype(np.uint8)
    return [np.roll(still, 3 * i, axis=1) for i in range(count)]


def written(folder: Path, kind: str, count: int = COUNT) -> Path:
    suffix, options = KINDS[kind]
    if suffix == "265":
        more = "log-level=none:pools=1:frame-threads=1:" + options["x265-params"]
        options = {"preset": "ultrafast", "x265-params": more}
    codec = "libx264" if suffix == "h264" else "libx265"
    return write_video(folder / f"v.{suffix}", noise(count), codec=codec, options=options)


def read(path: Path) -> tuple[int, list[str], list[tuple[float, float]]]:
    with open_source(path) as source:
        count = len(list(source))
        return count, [text for text in source.warnings if "damaged" in text], source.damaged_s


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize("kind", KINDS)
def test_whole_streams_lack_nothing(tmp_path: Path, kind: str) -> None:
    assert read(written(tmp_path, kind)) == (COUNT, [], [])


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("kind", ["b-frames", "hevc"])
def test_short_streams_lack_nothing(tmp_path: Path, kind: str, count: int) -> None:
    assert read(written(tmp_path, kind, count)) == (count, [], [])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("fields", "pulldown")])
@pytest.mark.parametrize("at", [4, 33])
def test_a_missing_frame_is_noticed(tmp_path: Path, kind: str, at: int) -> None:
    path = written(tmp_path, kind)
    found = packets(path)
    path.write_bytes(b"".join([*found[:at], *found[at + 1 :]]))
    _, warnings, damaged_s = read(path)
    assert "damaged packet" in warnings[0]
    assert damaged_s[0][0] == pytest.approx(at / 25, abs=8 / 25)
    with pytest.raises(SourceError, match="damaged near"), open_source(path, strict=True) as source:
        list(source)


def drop_the_end(found: list[bytes]) -> bytes:
    """Keep a frame that is shown after one that is missing now."""
    return b"".join(found[:42])


def drop_the_beginning(found: list[bytes]) -> bytes:
    kept = [unit for unit in found[0].split(b"\0\0\1") if unit and unit[0] >> 1 in (32, 33, 34)]
    return b"".join(b"\0\0\0\1" + unit for unit in kept) + b"".join(found[1:])


def zero(found: list[bytes]) -> bytes:
    content = bytearray(b"".join(found))
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    return bytes(content)


@pytest.mark.parametrize(
    ("kind", "harm"),
    [("pyramid", drop_the_end), ("hevc", drop_the_beginning), ("hevc", zero),
     ("hevc no b-frames", zero), ("b-frames", zero)],
)  # fmt: skip
def test_other_harm_is_noticed(
    tmp_path: Path, kind: str, harm: Callable[[list[bytes]], bytes]
) -> None:
    path = written(tmp_path, kind)
    path.write_bytes(harm(packets(path)))
    assert "damaged packet" in read(path)[1][0]


def test_bytes_that_no_encoder_writes() -> None:
    for allowed in (b"\0\0\1a", b"a\0\0\3\1", b"\0\0\0\0\1", b"ab\0\0", b"\0\0\3\0\0\0\1"):
        assert not holds_forbidden_bytes(allowed)
    for forbidden in (b"a\0\0\2", b"\0\0\0\5", b"\0\0\0\0\0\n", b"\0\0\3\4"):
        assert holds_forbidden_bytes(forbidden)


def test_units_and_their_codes() -> None:
    content = b"\0\0\0\1\x67\0\0\3\1\0\0\1\x41" + b"\xa6" * 2000
    first, second = units(content)
    assert first == b"\x67\0\0\1"
    assert second[0] == 0x41
    bits = Bits(b"\0\xa6\x42\x98\xe2\x04\x8a", 1)  # 1 010 011 00100 00101 00110 00111 0001000 ...
    assert [bits.golomb() for _ in range(7)] == [0, 1, 2, 3, 4, 5, 6]
    bits = Bits(b"\xa6\x42\x98\xe2\x04\x8a", 0)
    assert [bits.signed_golomb() for _ in range(7)] == [0, 1, -1, 2, -2, 3, -3]
    with pytest.raises(EOFError):
        Bits(b"\0", 0).golomb()
