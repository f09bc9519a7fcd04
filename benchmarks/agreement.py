"""Does speed change results? Masks of every engine and precision against fp32 torch, on a video.

    python -m benchmarks.agreement VIDEO [--output FILE]

The reference converts and resizes whole frames as the published steps do and computes in fp32;
both sides get their masks cleaned, as users do. int8 is calibrated on generated frames, and once
more on every eighth frame of the video itself, which is then not compared.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmarks.report import save
from cornea_stream.engines import build_engine
from cornea_stream.frames import Image
from cornea_stream.mask import iou
from cornea_stream.preprocess import Preprocessor
from cornea_stream.segmenter import Segmenter
from cornea_stream.source import open_source

CALIBRATE_EVERY = 8


def masks(segmenter: Segmenter, video: Path) -> Iterator[Image]:
    """Yield the mask of every frame."""
    return (result.mask for result in segmenter.stream(video))


def contestants(video: Path) -> Iterator[tuple[str, Segmenter]]:
    """Yield every engine of this machine by name."""
    yield "torch bf16", Segmenter(backend="torch", precision="bf16", device="cpu")
    if find_spec("openvino"):
        yield "OpenVINO fp32", Segmenter(backend="openvino", precision="fp32")
        yield "OpenVINO bf16", Segmenter(backend="openvino", precision="bf16")
    if find_spec("nncf"):
        yield "OpenVINO int8, generated frames", Segmenter(backend="openvino", precision="int8")
        own = Segmenter(backend="openvino", precision="bf16")
        prepare = Preprocessor(own.checkpoint.spec.image_size)
        with open_source(video, every=CALIBRATE_EVERY) as source:
            images = [prepare(frame) for frame in source]
        own.engine = build_engine(own.checkpoint, precision="int8", calibration=images)
        yield "OpenVINO int8, own video", own


def main() -> None:
    """Compare, print and write the result."""
    parser = argparse.ArgumentParser(description="Agreement of all engines with fp32 torch.")
    parser.add_argument("video", type=Path)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/agreement.json"))
    options = parser.parse_args()
    exact = Segmenter(backend="torch", precision="fp32", device="cpu")
    reference = list(masks(exact, options.video))
    rows = {}
    for name, segmenter in contestants(options.video):
        scores = [
            iou(found, true)
            for index, (found, true) in enumerate(
                zip(masks(segmenter, options.video), reference, strict=True)
            )
            if index % CALIBRATE_EVERY
        ]
        rows[name] = {
            "mean_iou": round(float(np.mean(scores)), 4),
            "lowest_iou": round(float(np.min(scores)), 4),
        }
        print(name, rows[name], flush=True)
    save(
        options.output,
        {
            "what": "IoU of masks with those of fp32 torch and the published preprocessing",
            "video": options.video.name,
            "frames": len(reference),
            "checkpoint": exact.checkpoint.sha256,
            "engines": rows,
        },
    )


if __name__ == "__main__":
    main()
