"""Videos to damage, and whether the damage is told."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from conftest import Image

from cornea_stream.errors import SourceError
from cornea_stream.sources import open_source


def noise(count: int) -> list[Image]:
    """Pictures that compress badly, so that every frame has many bytes."""
    rng = np.random.default_rng(1)
    still = rng.integers(0, 255, (96, 128, 3)).astype(np.uint8)
    return [np.roll(still, 3 * i, axis=1) for i in range(count)]


def video_packets(path: Path) -> list[tuple[float, int, int]]:
    """Return time, place in the file and size of every video packet."""
    with av.open(str(path)) as container:
        start = (container.start_time or 0) / av.time_base
        return [
            (float(packet.pts * packet.time_base) - start, packet.pos, packet.size)
            for packet in container.demux(video=0)
            if packet.size
        ]


def assert_told(path: Path, time_s: float, within_s: float = 1.1) -> list[float]:
    """Check that damage near a time is reported and stops strict reading; return all times."""
    with open_source(path) as source:
        times = [frame.time_s for frame in source]
    assert source.warnings
    assert any(a - within_s <= time_s <= b + within_s for a, b in source.damaged_s)
    with pytest.raises(SourceError, match="damaged near"), open_source(path, strict=True) as source:
        list(source)
    return times


def video_bytes(path: Path, number: int) -> bytes:
    """Return the content of a packet."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0)][number]
