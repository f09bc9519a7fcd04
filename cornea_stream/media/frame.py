"""The dataclasses that describe a source and its frames."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from numpy.typing import NDArray

from cornea_stream.media.address import address_name
from cornea_stream.media.fields import Field, deinterlace
from cornea_stream.media.orientation import Orientation, orientation_of, upright

Image = NDArray[np.uint8]
"""(H, W, 3) uint8 RGB, or (H, W) uint8 for a mask with the values 0 and 255."""
Logits = NDArray[np.float32]
"""(h, w) float32, positive where the network sees cornea."""


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """Properties of a source that are known before its frames are read.

    `width` and `height` are stored pixels. `rotation` (degrees counter-clockwise) and then, if
    `mirrored`, a flip from left to right make the frame upright. `duration_s` and `frame_count`
    come from the header, or are None. Times count from the start of the source, which its
    container calls `start_time_s`. `video_track` numbers the stream among the video streams.
    The color fields are FFmpeg's numbers (ITU-T H.273; 2 is unspecified, and 0 for the range).
    HDR (`hdr` is PQ or HLG) is tone-mapped; the other properties are those of the result.
    `mm_per_px` is the height of a stored pixel if the file states it. `metadata` is carried over to
    the overlay. `field_order` is the field that is shown first if frames are interlaced.
    `path` is None for a stream; its `address` is without user and password.
    """

    path: Path | None
    kind: Literal["video", "image", "images", "stream"]
    width: int
    height: int
    pix_fmt: str
    time_base: Fraction
    rate: Fraction
    start_time_s: float = 0.0
    duration_s: float | None = None
    frame_count: int | None = None
    rotation: int = 0
    mirrored: bool = False
    sample_aspect_ratio: Fraction | None = None
    color_range: int = 0
    colorspace: int = 2
    color_primaries: int = 2
    color_trc: int = 2
    audio_codec: str | None = None
    video_track: int = 0
    metadata: tuple[tuple[str, str], ...] = ()
    field_order: Field | None = None
    address: str | None = None
    mm_per_px: float | None = None
    hdr: str | None = None

    @property
    def name(self) -> str:
        """Name of the output folder: from the file stem, the folder or the address."""
        return source_name(self.path) if self.path else address_name(self.address or "")

    @property
    def orientation(self) -> Orientation:
        """What makes the first frame upright."""
        return Orientation(self.rotation, self.mirrored)

    @property
    def upright_aspect(self) -> Fraction | None:
        """Pixel aspect ratio (width / height) of the upright frame, or None if unknown."""
        aspect = self.sample_aspect_ratio
        return 1 / aspect if aspect and self.orientation.sideways else aspect


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as decoded, in its native pixel format, with its presentation time.

    `index` counts the frames of the source from 0, beginning where reading began. `time_s` is the
    presentation time in the source in seconds. `received_s` is the `time.perf_counter` value when
    a live frame was decoded, or None for files. `first_field` is the field of an interlaced frame
    that was exposed first, at `time_s`.
    """

    index: int
    time_s: float
    video: av.VideoFrame
    received_s: float | None = None
    first_field: Field | None = None

    @property
    def orientation(self) -> Orientation:
        """What makes the frame upright."""
        return orientation_of(self.video)

    @property
    def rotation(self) -> int:
        """Degrees counter-clockwise that make the frame upright: 0, 90, 180 or 270."""
        return self.orientation.rotation

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels of the upright frame."""
        stored = (self.video.height, self.video.width)
        return stored[::-1] if self.orientation.sideways else stored

    def rgb(self) -> Image:
        """Return the upright frame as (H, W, 3) uint8 RGB at full resolution."""
        return upright(self.stored_rgb(), self.orientation)

    def stored_rgb(self) -> Image:
        """Return the frame as stored, but deinterlaced, as (H, W, 3) uint8 RGB.

        The array is the caller's: changing it leaves the frame as it is.
        """
        pixels = np.asarray(self.video.to_ndarray(format="rgb24"), np.uint8)
        if self.video.format.name == "rgb24":  # PyAV returns the memory of the frame
            pixels = pixels.copy()
        if self.first_field:
            deinterlace([pixels], self.first_field)
        return pixels

    def __repr__(self) -> str:
        height, width = self.size
        return (
            f"Frame({self.index}, {self.time_s:.3f} s, {self.video.format.name} {width}×{height})"
        )


def source_name(path: Path) -> str:
    """Return the output name of a source: the file stem or the folder name."""
    return path.resolve().name if path.is_dir() else path.stem
