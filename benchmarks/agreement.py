"""Does speed change results? Masks of every engine and precision against fp32 torch, on a video.

    python -m benchmarks.agreement VIDEO [--device cuda] [--output FILE]

Both sides get their masks cleaned, as users do. int8 is calibrated on generated frames, and once
more on frames of the video itself, which is then no longer a test of unseen frames.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmarks.report import save
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.frame import Image
from cornea_stream.postprocess.mask import iou


def masks(segmenter: Segmenter, video: Path) -> Iterator[Image]:
    """Yield the mask of every frame."""
    return (result.mask for result in segmenter.stream(video))


def contestants(video: Path, device: str) -> Iterator[tuple[str, Segmenter]]:
    """Yield every engine of a device by name."""
    if device != "cpu":
        for precision in ("fp32", "bf16", "fp16"):
            yield f"torch {precision} on {device}", Segmenter(precision=precision, device=device)
        return
    yield "torch bf16", Segmenter(backend="torch", precision="bf16", device="cpu")
    if find_spec("openvino"):
        yield "OpenVINO fp32", Segmenter(backend="openvino", precision="fp32")
        yield "OpenVINO bf16", Segmenter(backend="openvino", precision="bf16")
    if find_spec("nncf"):
        yield "OpenVINO int8, generated frames", Segmenter(backend="openvino", precision="int8")
        own = Segmenter(backend="openvino", precision="int8", calibration=video)
        yield "OpenVINO int8, own video", own


def main() -> None:
    """Compare, print and write the result."""
    parser = argparse.ArgumentParser(description="Agreement of all engines with fp32 torch.")
    parser.add_argument("video", type=Path)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/agreement.json"))
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    options = parser.parse_args()
    exact = Segmenter(backend="torch", precision="fp32", device="cpu")
    reference = list(masks(exact, options.video))
    rows = {}
    for name, segmenter in contestants(options.video, options.device):
        scores = [
            iou(found, true)
            for found, true in zip(masks(segmenter, options.video), reference, strict=True)
        ]
        rows[name] = {
            "mean_iou": round(float(np.mean(scores)), 4),
            "lowest_iou": round(float(np.min(scores)), 4),
        }
        print(name, rows[name], flush=True)
    save(
        options.output,
        {
            "what": "IoU with the masks of fp32 PyTorch",
            "video": options.video.name,
            "frames": len(reference),
            "checkpoint": exact.checkpoint.sha256,
            "engines": rows,
        },
    )


if __name__ == "__main__":
    main()
