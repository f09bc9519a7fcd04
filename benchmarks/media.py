"""The clips that benchmarks run on: a given video at another size or length."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av

RATE = 30


def reencoded(video: Path, target: Path, size: tuple[int, int], repeats: int = 1) -> Path:
    """Write `video` `repeats` times in a row at `size` (width, height), H.264; return `target`."""
    width, height = size
    options = {"crf": "18", "preset": "veryfast"}
    with av.open(str(target), "w") as sink:
        stream = sink.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        index = 0
        for _ in range(repeats):
            with av.open(str(video)) as source:
                for frame in source.decode(video=0):
                    small = frame.reformat(width, height, "yuv420p")
                    small.pts, small.time_base = index, Fraction(1, RATE)
                    sink.mux(stream.encode(small))
                    index += 1
        sink.mux(stream.encode(None))
    return target
