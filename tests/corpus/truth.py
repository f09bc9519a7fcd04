"""What is right for a generated file, and what was read from it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .pictures import Image


@dataclass
class Truth:
    """Times from the first frame on, upright pictures, and how exact the times of a file are.

    `said` is a part of each sentence that a run may say about the whole file.
    """

    times_s: list[float]
    pictures: list[Image]
    tick_s: float
    gray: bool = False
    said: tuple[str, ...] = ()


@dataclass
class Reading:
    """What a reader makes of a file: times, numbers, coarse pictures, and what it says."""

    times_s: list[float] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    coarse: list[NDArray[np.int16]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    error: str | None = None
