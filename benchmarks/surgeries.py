"""Generated surgeries in the layout of Cataract-1K: each is one moving eye, with bitmap labels."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path

import cv2
import numpy as np

from cornea_stream.synthetic import generate_clip

STEP = 20  # frames between two annotated ones, so that they differ


def write_surgeries(
    folder: Path, *, surgeries: int, frames: int, height: int = 384, width: int = 512
) -> None:
    """Write `surgeries` cases of `frames` annotated frames each."""
    for case in range(surgeries):
        root = folder / f"case_{case:04d}"
        for name in ("img", "ann"):
            (root / name).mkdir(parents=True)
        clip = generate_clip(10_000 + case, frames * STEP, height, width)
        for index, (rgb, mask) in enumerate(clip):
            if index % STEP:
                continue
            name = f"case{case:04d}_{index // STEP:03d}.png"
            cv2.imwrite(str(root / "img" / name), rgb[..., ::-1])
            (root / "ann" / f"{name}.json").write_text(json.dumps(_annotate(mask)))


def _annotate(mask: np.ndarray) -> dict[str, object]:
    x, y, width, height = cv2.boundingRect(mask)
    png = cv2.imencode(".png", mask[y : y + height, x : x + width])[1].tobytes()
    bitmap = {"data": base64.b64encode(zlib.compress(png)).decode(), "origin": [x, y]}
    cornea = {"classTitle": "Cornea", "geometryType": "bitmap", "bitmap": bitmap}
    size = {"height": mask.shape[0], "width": mask.shape[1]}
    return {"size": size, "objects": [cornea]}
