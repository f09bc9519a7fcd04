"""What the outputs of a program have lost, read from its files."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import av
import cv2
import numpy as np

from benchmarks.ease.clips import (
    ASKED_S,
    CAMERA_RATE,
    CAMERA_SECONDS,
    FRAMES,
    Image,
    eye,
    number_of,
    times_s,
)

VIDEOS = (".mp4", ".avi", ".mkv")
_TIME_OFF_S = 0.0015
"""Times differ if they do by more than the milliseconds of a container can explain."""


@dataclass(frozen=True)
class Recording:
    """The source; its frames are upright."""

    path: Path

    @cached_property
    def frames(self) -> list[Image]:
        """All frames."""
        return upright(self.path)[0]

    @cached_property
    def masks(self) -> list[Image]:
        """Their true masks."""
        return [mask for _, mask in eye()]


def upright(path: Path) -> tuple[list[Image], list[float]]:
    """Return the frames of a video as players show them, and their times in seconds."""
    images, times = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            image = frame.to_ndarray(format="rgb24")
            images.append(np.rot90(image, round(frame.rotation / 90)))
            times.append(float(frame.time or 0))
    return images, times


def overlay(folder: Path, source: Recording) -> list[str]:
    """Check an overlay video: frames, picture, orientation, times, sound."""
    (path,) = files(folder, VIDEOS)
    images, times = upright(path)
    numbers = [number_of(image) for image in images]
    lost = []
    if numbers != list(range(FRAMES)):
        lost.append("orientation or frames")
    off = max(abs(t - o) for t, o in zip(times, times_s(), strict=False))
    if off > _TIME_OFF_S:
        lost.append(f"times (off by up to {off:.2f} s)")
    if not _has_sound(path):
        lost.append("sound")
    changed = [
        (np.abs(a.astype(int) - b).max(axis=2) > 40).mean() > 0.001
        for a, b in zip(images, source.frames, strict=False)
        if a.shape == b.shape
    ]
    if (undrawn := FRAMES - sum(changed)) > 0:
        lost.append(f"the cornea in {undrawn} frames")
    return lost


def masks(folder: Path, source: Recording) -> list[str]:
    """Check PNGs: as many as frames, of their size, 0 and 255 only, and the cornea in them."""
    found = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in files(folder, (".png",))]
    lost = []
    if len(found) != FRAMES:
        lost.append(f"{FRAMES - len(found)} frames")
    if any(mask.shape != source.masks[0].shape for mask in found):
        return [*lost, "size"]
    if set(np.unique(np.stack(found))) - {0, 255}:
        lost.append("values")
    return [*lost, *_accuracy(zip(found, source.masks, strict=False))]


def frame(folder: Path, source: Recording) -> list[str]:
    """Check one frame, which should be the one that players show then, and its mask."""
    number = number_of(cv2.imread(str(_one(folder, "original.png"))))
    expected = sum(time_s <= ASKED_S for time_s in times_s()) - 1
    lost = [f"the frame: {number - expected:+d} frames off"] if number != expected else []
    mask = cv2.imread(str(_one(folder, "mask.png")), cv2.IMREAD_UNCHANGED)
    return [*lost, *_accuracy([(mask, source.masks[min(number, FRAMES - 1)])])]


def table(folder: Path, source: Recording) -> list[str]:
    """Check a table: a row per frame, its time, and an area that is about right."""
    with _one(folder, "*.csv").open() as file:
        rows = list(csv.DictReader(file))
    lost = [f"{FRAMES - len(rows)} frames"] if len(rows) != FRAMES else []
    times = [float(row["time_s"]) for row in rows]
    off = max(abs(t - o) for t, o in zip(times, times_s(), strict=False))
    if off > _TIME_OFF_S:
        lost.append(f"times (off by up to {off:.2f} s)")
    areas = [float(row["area_px"] or 0) for row in rows]
    true = [cv2.countNonZero(mask) for mask in source.masks]
    error = float(np.median([abs(a / t - 1) for a, t in zip(areas, true, strict=False)]))
    return [*lost, f"area off by {error:.0%}"] if error > 0.1 else lost


def live(folder: Path, _: Recording) -> list[str]:
    """Check the recording of a camera: its frames should stand where they were sent."""
    (path,) = files(folder, VIDEOS)
    images, times = upright(path)
    numbers = np.array([number_of(image) for image in images])
    shift = np.array(times) - numbers / CAMERA_RATE
    off = float(np.ptp(shift))
    sent = CAMERA_SECONDS * CAMERA_RATE
    lost = [f"{sent - len(images)} of {sent} frames"] if len(images) < sent else []
    # Arrival varies by a few frames; a recording at another speed drifts by seconds.
    return [*lost, f"times (off by up to {off:.2f} s)"] if off > 0.25 else lost


CHECKS: dict[str, Callable[[Path, Recording], list[str]]] = {
    "overlay": overlay,
    "masks": masks,
    "frame": frame,
    "live": live,
    "table": table,
}


def files(folder: Path, suffixes: Iterable[str]) -> list[Path]:
    """Return the files with these suffixes, in the order of their names."""
    return sorted(path for path in folder.rglob("*") if path.suffix in suffixes)


def _one(folder: Path, pattern: str) -> Path:
    (path,) = folder.rglob(pattern)
    return path


def _has_sound(path: Path) -> bool:
    with av.open(str(path)) as container:
        return any(packet.size for s in container.streams.audio for packet in container.demux(s))


def _accuracy(pairs: Iterable[tuple[Image, Image]]) -> list[str]:
    scores = [_iou(found > 0, true > 0) for found, true in pairs]
    mean = float(np.mean(scores))
    return [f"accuracy (mean IoU {mean:.2f})"] if mean < 0.8 else []


def _iou(found: np.ndarray, true: np.ndarray) -> float:
    either = (found | true).sum()
    return float((found & true).sum() / either) if either else 1.0
