"""The small dataclasses that pass between stages: what a frame is, and what was found in it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from numpy.typing import NDArray

from cornea_stream.media.address import address_name

Image = NDArray[np.uint8]
"""(H, W, 3) uint8 RGB, or (H, W) uint8 for a mask with the values 0 and 255."""
Logits = NDArray[np.float32]
"""(h, w) float32, positive where the network sees cornea."""


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What an open source knows about its frames before they are read.

    `width` and `height` are stored pixels, before `rotation` (degrees counter-clockwise that make
    the picture upright). `duration_s` and `frame_count` are what the header claims, or None.
    The color fields are FFmpeg's numbers (ITU-T H.273; 2 is unspecified, and 0 for the range).
    `path` is None for a stream, which has an `address` instead, without user and password.
    """

    path: Path | None
    kind: Literal["video", "image", "images", "stream"]
    width: int
    height: int
    pix_fmt: str
    time_base: Fraction
    rate: Fraction
    duration_s: float | None = None
    frame_count: int | None = None
    rotation: int = 0
    sample_aspect_ratio: Fraction | None = None
    color_range: int = 0
    colorspace: int = 2
    color_primaries: int = 2
    color_trc: int = 2
    audio_codec: str | None = None
    address: str | None = None

    @property
    def name(self) -> str:
        """Name of the outputs' folder: the file's stem, the folder's name, or the address's."""
        return source_name(self.path) if self.path else address_name(self.address or "")

    @property
    def upright_aspect(self) -> Fraction | None:
        """Width of a pixel over its height in the upright picture, or None where nobody knows."""
        aspect = self.sample_aspect_ratio
        return 1 / aspect if aspect and self.rotation % 180 else aspect


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as decoded, in its native pixel format, with its presentation time.

    `index` counts the source's frames from 0, from where reading began; `time_s` is the source's
    own presentation time in seconds. `received_s` is when a live frame was decoded, by
    `time.perf_counter`; None for the frames of files.
    """

    index: int
    time_s: float
    video: av.VideoFrame
    received_s: float | None = None

    @property
    def rotation(self) -> int:
        """Degrees counter-clockwise that make the picture upright: 0, 90, 180 or 270."""
        return quarter_turn(self.video.rotation)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels of the upright picture."""
        stored = (self.video.height, self.video.width)
        return stored if self.rotation % 180 == 0 else stored[::-1]

    def rgb(self) -> Image:
        """Return the upright picture as (H, W, 3) uint8 RGB, at full resolution."""
        return upright(np.asarray(self.video.to_ndarray(format="rgb24"), np.uint8), self.rotation)

    def __repr__(self) -> str:
        height, width = self.size
        return (
            f"Frame({self.index}, {self.time_s:.3f} s, {self.video.format.name} {width}×{height})"
        )


@dataclass(frozen=True, slots=True)
class Segmentation:
    """The cornea of one frame.

    `mask` is (H, W) uint8, 255 on the cornea and 0 elsewhere, of the upright frame's size.
    `confidence` is the mean probability over the mask's pixels, 0–1; 0 where there is no cornea.
    """

    frame: Frame
    mask: Image
    confidence: float

    @property
    def present(self) -> bool:
        """Whether any cornea was found."""
        return self.confidence > 0


def source_name(path: Path) -> str:
    """Return the name of a source's outputs: the file's stem, or the folder's name."""
    return path.resolve().name if path.is_dir() else path.stem


def upright(image: Image, rotation: int) -> Image:
    """Turn stored pixels `rotation` degrees counter-clockwise (a multiple of 90)."""
    return image if rotation == 0 else np.ascontiguousarray(np.rot90(image, rotation // 90))


def as_stored(image: Image, rotation: int) -> Image:
    """Undo `upright`: turn an upright image back to the orientation of the stored pixels."""
    return upright(image, -rotation % 360)


def quarter_turn(degrees: float) -> int:
    """Return 0, 90, 180 or 270, whichever is nearest; pictures are turned by no other angle."""
    return round(degrees / 90) * 90 % 360
