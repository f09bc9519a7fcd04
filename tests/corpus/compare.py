"""Compares what was read with what is right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .pictures import Image, coarse, number_of
from .truth import Reading, Truth

_NEAR = 24.0
"""Mean difference to the painted picture; lossy codecs and palettes stay well below."""
VISIBLE = 24
"""A frame is changed visibly if a block of 8×8 pixels differs by more than this on average."""
_OVERLAY_TICK_S = 1.1e-3


def wrong_in_whole(truth: Truth, reading: Reading, other: Reading) -> list[str]:
    """Return what is wrong in the reading of a whole file, by its truth and another reader."""
    if reading.error:
        return [f"failed: {reading.error}"]
    alarms = [said for said in reading.said if not any(part in said for part in truth.said)]
    found = [f"false alarm: {said}" for said in alarms]
    if len(reading.numbers) != len(truth.pictures):
        return [*found, f"{len(reading.numbers)} frames instead of {len(truth.pictures)}"]
    if len(other.numbers) != len(reading.numbers):
        found.append(f"another reader finds {len(other.numbers)} frames")
    if reading.numbers != list(map(number_of, truth.pictures)):
        found.append("frames show other numbers")
    times = np.subtract(reading.times_s, reading.times_s[0])
    error_s = np.abs(times - truth.times_s).max()
    if error_s > truth.tick_s:
        found.append(f"times differ by up to {error_s:.4f} s")
    if other.times_s and abs(other.times_s[0] - reading.times_s[0]) > truth.tick_s:
        found.append(f"begins at {reading.times_s[0]:.3f} s instead of {other.times_s[0]:.3f} s")
    wanted = [coarse(_gray(picture) if truth.gray else picture) for picture in truth.pictures]
    far = max(map(_distance, reading.coarse, wanted))
    if far > _NEAR:
        found.append(f"pictures differ by up to {far:.0f} of 255")
    return found


def wrong_in_overlay(reading: Reading, shown: Reading) -> list[str]:
    """Return how an overlay differs from the frames that the run read."""
    if len(shown.times_s) != len(reading.times_s):
        return [f"overlay of {len(shown.times_s)} frames instead of {len(reading.times_s)}"]
    found = []
    steps = np.subtract(shown.times_s, shown.times_s[0])
    error_s = np.abs(steps - np.subtract(reading.times_s, reading.times_s[0])).max()
    if error_s > _OVERLAY_TICK_S:
        found.append(f"times of the overlay differ by up to {error_s:.4f} s")
    # The legend covers a part of pictures as small as these.
    if max(map(_typical_distance, reading.coarse, shown.coarse)) > _NEAR:
        found.append("pictures of the overlay differ")
    return found


@dataclass(frozen=True)
class Harm:
    """What damage did to the frames of a run, and whether the run said so."""

    lost: int
    moved: int
    changed: int
    told: bool

    @property
    def hurt(self) -> bool:
        """Whether any frame was lost, moved to another time, or changed visibly."""
        return bool(self.lost or self.moved or self.changed)


def harm(whole: Reading, read: Reading, tick_s: float) -> Harm:
    """Compare a run over a damaged file with that over the whole one, by times and by pixels."""
    told = read.error is not None or any(said not in whole.said for said in read.said)
    at = np.asarray(whole.times_s)
    met: set[int] = set()
    moved = changed = 0
    for time_s, image in zip(read.times_s, read.coarse, strict=True):
        nearest = int(np.abs(at - time_s).argmin())
        if abs(at[nearest] - time_s) > tick_s or nearest in met:
            moved += 1
            continue
        met.add(nearest)
        other = whole.coarse[nearest]
        changed += image.shape != other.shape or int(np.abs(image - other).max()) > VISIBLE
    return Harm(len(at) - len(met), moved, changed, told)


def _distance(one: NDArray[np.int16], other: NDArray[np.int16]) -> float:
    return float(np.abs(one - other).mean()) if one.shape == other.shape else 255.0


def _typical_distance(one: NDArray[np.int16], other: NDArray[np.int16]) -> float:
    return float(np.median(np.abs(one - other))) if one.shape == other.shape else 255.0


def _gray(picture: Image) -> Image:
    luma = picture @ np.array([0.299, 0.587, 0.114])
    return np.repeat(luma[..., None], 3, axis=2).astype(np.uint8)
