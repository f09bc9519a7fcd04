"""A generated clip with its true masks, and the agreement of a mask video with them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from cornea_stream.errors import OutputError
from cornea_stream.postprocess.mask import iou
from cornea_stream.sources import open_source
from cornea_stream.storage import complete, output_errors, part_path
from cornea_stream.synthetic import generate_clip

RATE = 25
HEIGHT, WIDTH = 768, 1024


@dataclass(frozen=True, slots=True)
class Clip:
    """A generated clip: its file and the seed that reproduces its true masks."""

    path: Path
    frames: int
    seed: int


def write_clip(path: Path, *, seconds: float, seed: int, overwrite: bool = False) -> Clip:
    """Generate a moving eye and encode it as H.264. Raises OutputError."""
    if path.exists() and not overwrite:
        raise OutputError(
            f"output exists: {path}: pass overwrite=True or choose another output folder"
        )
    frames = max(1, round(seconds * RATE))
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(f"file:{part_path(path)}", "w") as container:
            stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast"})
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            for index, (rgb, _) in enumerate(generate_clip(seed, frames, HEIGHT, WIDTH)):
                video = av.VideoFrame.from_ndarray(rgb, format="rgb24")
                video.pts, video.time_base = index, Fraction(1, RATE)
                container.mux(stream.encode(video))
            container.mux(stream.encode(None))
    complete(path)
    return Clip(path, frames, seed)


def mean_iou(clip: Clip, mask_video: Path) -> float:
    """Return the mean IoU of a mask video with the true masks of the clip."""
    truth = generate_clip(clip.seed, clip.frames, HEIGHT, WIDTH)
    with open_source(mask_video) as found:
        scores = [
            iou(np.asarray(frame.video.to_ndarray(format="gray"), np.uint8), mask)
            for frame, (_, mask) in zip(found, truth, strict=True)
        ]
    return float(np.mean(scores))
