"""Figures of a training run and of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cornea_stream.sinks.png import write_png
from cornea_stream.storage import atomic_path

Image = NDArray[np.uint8]
TRUTH, FOUND = (255, 255, 255), (0, 255, 0)


def plot_history(path: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Plot loss, IoU and Dice over the epochs; epoch 0 is untrained. Raises OutputError."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    columns = {"training": "train_{}", "validation": "val_{}", "generated": "generated_{}"}
    for axes, (key, title) in zip(
        figure.subplots(1, 3), (("loss", "Loss"), ("iou", "IoU"), ("dice", "Dice")), strict=True
    ):
        for label, column in columns.items():
            name = column.format(key)
            points = [(row["epoch"], row[name]) for row in history if name in row]
            if points:
                axes.plot(*zip(*points, strict=True), label=label, marker=".")
        if key != "loss":
            best = max(history, key=lambda row: row[f"val_{key}"])
            axes.axvline(best["epoch"], color="gray", linewidth=0.8, linestyle=":")
            title += f" (best {best[f'val_{key}']:.3f} in epoch {best['epoch']:.0f})"
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


def contact_sheet(
    path: Path, tiles: Sequence[tuple[Image, Image, Image, str]], *, columns: int = 4
) -> None:
    """Write a sheet of (RGB image, true mask, found mask, caption), ground truth in white.

    Raises OutputError.
    """
    width, height = 320, 240
    drawn = [_tile(*tile, width, height) for tile in tiles]
    columns = min(columns, len(drawn))
    rows = math.ceil(len(drawn) / columns)
    drawn += [np.zeros((height, width, 3), np.uint8)] * (rows * columns - len(drawn))
    sheet = np.vstack([np.hstack(drawn[r * columns : (r + 1) * columns]) for r in range(rows)])
    write_png(path, sheet)


def _tile(image: Image, true: Image, found: Image, caption: str, width: int, height: int) -> Image:
    scale = min(width / image.shape[1], height / image.shape[0])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    tile = np.zeros((height, width, 3), np.uint8)
    small = np.ascontiguousarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    for mask, tint in ((true, TRUTH), (found, FOUND)):
        scaled = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
        outlines, _ = cv2.findContours(scaled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(small, outlines, -1, tint, 1, cv2.LINE_AA)
    tile[: size[1], : size[0]] = small
    font = cv2.FONT_HERSHEY_SIMPLEX
    for tint, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(tile, caption, (6, height - 8), font, 0.42, tint, thickness, cv2.LINE_AA)
    return tile
