"""What the overlay's encoder costs and gives: CPU time, bytes and PSNR by preset and crf.

    python -m benchmarks.encoder VIDEO [--output benchmarks/results/encoder.json]

The video's overlays at 1024x768 are made once and encoded by libx264 with each setting, one thread.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from benchmarks.media import RATE, reencoded
from benchmarks.report import save
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.overlay import OverlayStyle, YuvPainter
from cornea_stream.sinks.encoder import check_encoder

SIZE = (1024, 768)
DEFAULT = check_encoder("libx264").options
SETTINGS = {
    f"{preset}, crf {crf}": {"preset": preset, "crf": str(crf)}
    for preset in ("ultrafast", "superfast", "veryfast")
    for crf in (18, 20, 22)
} | {"default: superfast, crf 22, fixed B-frames": DEFAULT}


def overlays(video: Path) -> list[av.VideoFrame]:
    """Return the overlay pictures of a video."""
    paint = YuvPainter(OverlayStyle())
    return [paint(found) for found in Segmenter().stream(video)]


def luma(frame: av.VideoFrame) -> np.ndarray:
    """Return the luma plane of a planar frame, (H, W) uint8."""
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(frame.height, plane.line_size)
    return rows[:, : frame.width]


def encoded(pictures: list[av.VideoFrame], options: dict[str, str]) -> dict[str, float]:
    """Return CPU ms and bytes per frame and the PSNR of the luma in dB."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height = pictures[0].width, pictures[0].height
    encoder.pix_fmt, encoder.time_base = "yuv420p", Fraction(1, RATE)
    encoder.thread_count = 1
    encoder.options = options
    packets = []
    began = time.process_time()
    for index, picture in enumerate(pictures):
        picture.pts, picture.time_base, picture.pict_type = index, Fraction(1, RATE), 0
        packets += encoder.encode(picture)
    packets += encoder.encode(None)
    spent = time.process_time() - began
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.extradata = encoder.extradata
    shown = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    psnr = [cv2.PSNR(luma(a), luma(b)) for a, b in zip(pictures, shown, strict=True)]
    return {
        "cpu_ms": round(1000 * spent / len(pictures), 2),
        "kbytes": round(sum(packet.size for packet in packets) / len(pictures) / 1000, 1),
        "psnr_db": round(float(np.mean(psnr)), 2),
    }


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description="Cost and quality of the overlay's encoder.")
    parser.add_argument("video", type=Path)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/encoder.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pictures = overlays(reencoded(options.video, Path(folder) / "clip.mp4", SIZE))
    settings = {name: encoded(pictures, chosen) for name, chosen in SETTINGS.items()}
    save(
        options.output,
        {
            "what": f"libx264 on overlays of {SIZE[0]}x{SIZE[1]}, one thread, per frame",
            "video": options.video.name,
            "frames": len(pictures),
            "settings": settings,
        },
    )


if __name__ == "__main__":
    main()
