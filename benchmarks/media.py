"""The clips that benchmarks run on: a given video at another size or length."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av

from cornea_stream.synthetic import generate_clip

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


def write_looped(path: Path, frames: int, size: tuple[int, int], rate: int) -> None:
    """Write so many frames of a generated surgery of `size` (width, height).

    A few seconds there and back are encoded once and repeated as packets, so hours cost seconds.
    """
    width, height = size
    pictures = [rgb for rgb, _ in generate_clip(1, 50, height, width)]
    pictures += pictures[-2:0:-1]
    loop = path.with_name("loop.mkv")
    # One slice per picture: GStreamer's payloader tears others apart.
    options = {"preset": "veryfast", "bf": "0", "g": str(rate), "threads": "1"}
    with av.open(str(loop), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(str(path), "w") as container:
        stream, index = None, 0
        while index < frames:
            with av.open(str(loop)) as source:
                stream = stream or container.add_stream_from_template(source.streams.video[0])
                for packet in source.demux(video=0):
                    if packet.dts is None or index == frames:
                        continue
                    packet.stream, packet.time_base = stream, Fraction(1, rate)
                    packet.pts = packet.dts = index
                    container.mux(packet)
                    index += 1
