"""How fast training reads its cache: images per second of the loader alone, cache warm.

python -m benchmarks.loader [--images 200] [--size 512] [--output benchmarks/results/loader.json]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.report import save
from benchmarks.surgeries import write_surgeries
from cornea_train.dataset import CachedFrames, open_cache
from cornea_train.distributed import World
from cornea_train.sampler import DealtSampler


def images_per_second(frames: CachedFrames, batch_size: int, epochs: int) -> float:
    """Return the speed over `epochs` shuffled epochs, after one that is not counted."""
    sampler = DealtSampler(
        len(frames), batch_size, World(0, 1, torch.device("cpu")), shuffle=True, seed=0
    )
    loader = torch.utils.data.DataLoader(frames, batch_size=batch_size, sampler=sampler)
    seen = sum(len(images) for images, _ in loader) * 0
    began = time.perf_counter()
    for _ in range(epochs):
        seen += sum(len(images) for images, _ in loader)
    return seen / (time.perf_counter() - began)


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description="Images per second of the training loader.")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/loader.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_surgeries(Path(folder) / "data", surgeries=4, frames=options.images // 4)
        began = time.perf_counter()
        cache = open_cache(Path(folder) / "data", Path(folder) / "cache", options.size)
        building = len(cache.pairs) / (time.perf_counter() - began)
        speeds = {}
        for augment in (False, True):
            frames = CachedFrames(cache, range(len(cache.pairs)), augment=augment, seed=0)
            speeds["mild" if augment else "none"] = round(
                images_per_second(frames, 4, options.epochs), 1
            )
    result = {
        "what": f"images per second at {options.size}x{options.size}, batch 4, one process",
        "cache_warm_by_augment": speeds,
        "making_the_cache": round(building, 1),
    }
    save(options.output, result)


if __name__ == "__main__":
    main()
