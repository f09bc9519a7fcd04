"""Make overlay.png: a frame of the demo's generated clip, and what `frame` makes of it.

python docs/picture.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np

from cornea_stream import Segmenter, snapshot
from cornea_stream.synthetic.demo import write_clip

HERE = Path(__file__).parent
WIDTH, HEIGHT = 416, 312


def main() -> None:
    """Write the frame and its overlay side by side."""
    with tempfile.TemporaryDirectory() as folder:
        clip = write_clip(Path(folder) / "demo.mp4", seconds=4, seed=7)
        (shot,) = snapshot(clip.path, [1.0], folder, Segmenter(device="cpu"))
        pictures = [
            cv2.resize(
                np.asarray(cv2.imread(str(shot.folder / name))),
                (WIDTH, HEIGHT),
                interpolation=cv2.INTER_AREA,
            )
            for name in ("original.png", "overlay.png")
        ]
        smallest = [cv2.IMWRITE_PNG_COMPRESSION, 9]
        cv2.imwrite(str(HERE / "overlay.png"), np.hstack(pictures), smallest)


if __name__ == "__main__":
    main()
