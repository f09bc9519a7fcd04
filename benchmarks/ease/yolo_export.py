"""The default weights as an ONNX file that ultralytics takes for a YOLO.

    python -m benchmarks.ease.yolo_export OUT.onnx

ultralytics runs networks with the outputs of a YOLO only: boxes with scores and coefficients, and
masks to weigh with them. Here that is one box around the logits, which are the only mask.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from cornea_stream import load_checkpoint


class AsYolo(nn.Module):
    """A PSPNet with the input and the outputs of a YOLO of one class."""

    def __init__(self, network: nn.Module, mean: float, std: float) -> None:
        super().__init__()
        self.network, self.mean, self.std = network, mean, std

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Take (1, 3, H, W) from 0 to 1; return (1, 6, 1) and (1, 1, H, W)."""
        logits = self.network((255 * images - self.mean) / self.std)
        inside = (logits > 0).float()
        rows, columns = inside.amax((0, 1, 3)), inside.amax((0, 1, 2))
        top, bottom = _ends(rows)
        left, right = _ends(columns)
        score = (logits.sigmoid() * inside).sum() / inside.sum().clamp(min=1)
        box = [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
        return torch.stack([*box, score, torch.ones_like(score)])[None, :, None], logits


def _ends(present: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first and the last place with 1."""
    places = torch.arange(len(present), dtype=present.dtype)
    return (places + (1 - present) * 1e4).min(), (present * (places + 1)).max()


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description="ONNX for ultralytics.")
    parser.add_argument("output", type=Path)
    output = parser.parse_args().output
    weights = load_checkpoint()
    spec = weights.spec
    module = AsYolo(weights.build(), spec.mean[0], spec.std[0]).eval()
    images = torch.zeros(1, 3, *spec.image_size)
    torch.onnx.export(module, (images,), str(output), dynamo=True, output_names=["boxes", "masks"])
    model = onnx.load(str(output))
    about = {
        "task": "segment", "stride": 32, "batch": 1, "imgsz": list(spec.image_size),
        "names": {0: spec.class_name}, "channels": 3,
    }  # fmt: skip
    for name, value in about.items():
        text = str(value) if name == "names" else json.dumps(value) if name != "task" else "segment"
        model.metadata_props.append(onnx.StringStringEntryProto(key=name, value=text))
    onnx.save(model, str(output))


if __name__ == "__main__":
    main()
