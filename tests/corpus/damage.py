"""The kinds of damage, each scaled to the size of the file so that it hits something."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_NOISE, _ZEROS, _TAIL = 4096, 65536, 4096
_TS_PACKETS = {".ts": 188, ".m2ts": 192}


def overwrite(data: bytearray, rng: np.random.Generator, suffix: str) -> None:
    """Overwrite up to 4 KiB with random bytes."""
    begin, size = _place(data, rng, min(_NOISE, len(data) // 12))
    data[begin : begin + size] = rng.bytes(size)


def zero(data: bytearray, rng: np.random.Generator, suffix: str) -> None:
    """Overwrite up to 64 KiB with zeros."""
    begin, size = _place(data, rng, min(_ZEROS, len(data) // 6))
    data[begin : begin + size] = bytes(size)


def cut_off(data: bytearray, rng: np.random.Generator, suffix: str) -> None:
    """Keep between 30 and 90 % of the file."""
    del data[int(len(data) * rng.uniform(0.3, 0.9)) :]


def cut_tail(data: bytearray, rng: np.random.Generator, suffix: str) -> None:
    """Remove up to 4 KiB at the end."""
    del data[-int(rng.integers(1, min(_TAIL, len(data) // 8))) :]


def flip(data: bytearray, rng: np.random.Generator, suffix: str) -> None:
    """Flip one bit in 4 KiB on average, at least two."""
    for place in rng.integers(len(data), size=max(2, len(data) // 4096)):
        data[place] ^= 1 << int(rng.integers(8))


def drop(data: bytearray, rng: np.random.Generator, suffix: str) -> None:
    """Remove up to 8 transport packets, or a twentieth of another file."""
    packet = _TS_PACKETS.get(suffix, 1)
    most = 8 if packet > 1 else max(2, len(data) // 20)
    begin = int(rng.integers(len(data) // packet)) * packet
    del data[begin : begin + int(rng.integers(1, most + 1)) * packet]


KINDS: dict[str, Callable[[bytearray, np.random.Generator, str], None]] = {
    "random bytes": overwrite,
    "zeros": zero,
    "cut off": cut_off,
    "tail removed": cut_tail,
    "bit flips": flip,
    "bytes or packets dropped": drop,
}


def damaged(content: bytes, kind: str, rng: np.random.Generator, suffix: str) -> bytes:
    """Return the content of a file with one kind of damage."""
    data = bytearray(content)
    KINDS[kind](data, rng, suffix)
    return bytes(data)


def _place(data: bytearray, rng: np.random.Generator, size: int) -> tuple[int, int]:
    size = max(16, size)
    return int(rng.integers(max(1, len(data) - size))), size
