"""A short training run on generated surgeries: what validation IoU after how many minutes.

    python -m benchmarks.train_generated [--output benchmarks/results/train_generated.json]

Whole surgeries are kept back for validation, as in `cornea-stream train`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.report import save
from benchmarks.surgeries import write_surgeries
from cornea_train.config import TrainConfig
from cornea_train.trainer import train


def main() -> None:
    """Train, print and write the result."""
    parser = argparse.ArgumentParser(description="Train briefly on generated surgeries.")
    parser.add_argument("--surgeries", type=int, default=80)
    parser.add_argument("--frames", type=int, default=10, help="per surgery")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument(
        "--output", type=Path, default=Path("benchmarks/results/train_generated.json")
    )
    options = parser.parse_args()
    curve = []
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        write_surgeries(data, surgeries=options.surgeries, frames=options.frames)
        began = time.perf_counter()

        def note(row: dict[str, float], _: bool) -> None:
            minutes = round((time.perf_counter() - began) / 60, 2)
            point = {"epoch": int(row["epoch"]), "minutes": minutes}
            point |= {k: round(row[k], 4) for k in ("train_iou", "val_iou")}
            curve.append(point)
            print(point, flush=True)

        config = TrainConfig(
            data, Path(folder) / "run", epochs=options.epochs, batch_size=16, lr=1e-3,
            encoder_weights="none", image_size=options.size, augment="mild", keep_last=1,
        )  # fmt: skip
        train(config, note)
    best = max(curve, key=lambda point: point["val_iou"])
    result = {
        "what": f"PSPNet-ResNet101 from scratch at {options.size}x{options.size} on "
        f"{options.surgeries} generated surgeries of {options.frames} frames, 80/20 by surgery",
        "best": best,
        "minutes": curve[-1]["minutes"],
        "curve": curve,
    }
    save(options.output, result)


if __name__ == "__main__":
    main()
