"""PNG files: one mask and one overlay per frame, or those of a single image."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from cornea_stream.errors import OutputError, UsageError
from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.media.frame import Frame, Image
from cornea_stream.media.overlay import OverlayStyle, paint_rgb
from cornea_stream.sinks.base import SegmentationSink
from cornea_stream.storage import output_errors, write_file

_OWN_NAME = re.compile(
    r"(?:(?P<number>[0-9]{6}|[1-9][0-9]{6,})|(?P<time>[0-9]{6,}\.[0-9]{6})s)_(?P<kind>mask|overlay)\.png"
)
NAMES = ("number", "time")
"""What the PNGs of frames can be named after."""


def write_png(path: Path, image: Image) -> None:
    """Write (H, W, 3) RGB or (H, W) gray, atomically. Raises OutputError."""
    pixels = image[..., ::-1] if image.ndim == 3 else image
    # Level 1 encodes several times faster than the default, and files are only slightly larger.
    done, encoded = cv2.imencode(
        ".png", np.ascontiguousarray(pixels), [cv2.IMWRITE_PNG_COMPRESSION, 1]
    )
    if not done:
        raise OutputError(
            f"cannot encode PNG: {path}: {image.shape} {image.dtype}: leave out frames=True"
        )
    write_file(path, encoded.tobytes())


def frame_files(index: int) -> tuple[str, str]:
    """Return the file names of the mask and overlay of a frame."""
    return f"{index:06d}_mask.png", f"{index:06d}_overlay.png"


@dataclass(frozen=True, slots=True)
class FramePngs:
    """Which PNGs of each frame are written, and whether number or time names them.

    Raises UsageError for an unknown name, and if nothing is chosen.
    """

    masks: bool = True
    overlays: bool = True
    name_by: str = "number"

    def __post_init__(self) -> None:
        if self.name_by not in NAMES:
            raise UsageError(f"unknown name_by: {self.name_by!r}: use {' or '.join(NAMES)}")
        if not (self.masks or self.overlays):
            raise UsageError("no PNGs to write: choose masks, overlays or both")

    def path_stem(self, frame: Frame) -> str:
        """Return what the names of the files of a frame begin with."""
        return f"{frame.time_s:013.6f}s" if self.name_by == "time" else f"{frame.index:06d}"

    def remove_others(self, folder: Path, written: Container[int]) -> None:
        """Remove the PNGs of frames that this run did not write. Raises OutputError.

        `written` are frame numbers, or times in microseconds.
        """
        with output_errors(folder):
            for path in folder.iterdir():
                own = _OWN_NAME.fullmatch(path.name)
                if own and not self._is_written(own, written):
                    path.unlink()

    def _is_written(self, name: re.Match[str], written: Container[int]) -> bool:
        is_chosen = self.masks if name["kind"] == "mask" else self.overlays
        key = name[self.name_by]
        return is_chosen and key is not None and int(key.replace(".", "")) in written


class FrameNumbers(Container[int]):
    """A set of frame numbers that takes one byte per frame of the source.

    A set of two file names per frame would take 200.
    """

    def __init__(self) -> None:
        self._marks = bytearray()

    def add(self, number: int) -> None:
        """Add a number."""
        self._marks.extend(bytes(max(0, number + 1 - len(self._marks))))
        self._marks[number] = 1

    def __contains__(self, number: object) -> bool:
        if not isinstance(number, int) or not 0 <= number < len(self._marks):
            return False
        return bool(self._marks[number])


class FrameTimes(Container[int]):
    """A set of times in microseconds, added in order, that takes eight bytes per frame."""

    def __init__(self) -> None:
        self._times = array("q")

    def add(self, time_us: int) -> None:
        """Add a time, not before the previous one."""
        self._times.append(time_us)

    def __contains__(self, time_us: object) -> bool:
        if not isinstance(time_us, int):
            return False
        place = bisect_left(self._times, time_us)
        return place < len(self._times) and self._times[place] == time_us


class PngSequenceSink(SegmentationSink):
    """`000000_mask.png` and `000000_overlay.png` for every frame, in one folder.

    Files of an earlier run with such names are replaced; those that this run did not write are
    removed when it completes. Other files in the folder are kept.
    """

    name = "frames"

    def __init__(self, folder: Path, style: OverlayStyle, pngs: FramePngs | None = None) -> None:
        """Create the folder; `pngs` chooses and names the files. Raises OutputError."""
        self.folder = folder
        self._style, self._pngs = style, pngs or FramePngs()
        self._written: FrameNumbers | FrameTimes = (
            FrameTimes() if self._pngs.name_by == "time" else FrameNumbers()
        )
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def write(self, segmentation: Segmentation) -> None:
        """Write the files of one frame."""
        frame, pngs = segmentation.frame, self._pngs
        stem = pngs.path_stem(frame)
        if pngs.masks:
            write_png(self.folder / f"{stem}_mask.png", segmentation.mask)
        if pngs.overlays:
            write_png(self.folder / f"{stem}_overlay.png", paint_rgb(segmentation, self._style))
        by_time = pngs.name_by == "time"
        self._written.add(round(frame.time_s * 1e6) if by_time else frame.index)

    def close(self) -> None:
        """Remove leftover files of an earlier run."""
        self._pngs.remove_others(self.folder, self._written)

    def abort(self) -> None:
        """Keep the files: each is complete."""


class StillSink(SegmentationSink):
    """The overlay and, optionally, the mask of a single image."""

    name = "image"

    def __init__(self, overlay: Path | None, mask: Path | None, style: OverlayStyle) -> None:
        self._overlay, self._mask = overlay, mask
        self._style = style

    def write(self, segmentation: Segmentation) -> None:
        """Write the files of the image."""
        if self._overlay:
            write_png(self._overlay, paint_rgb(segmentation, self._style))
        if self._mask:
            write_png(self._mask, segmentation.mask)

    def close(self) -> None:
        """Do nothing: the files are complete."""

    def abort(self) -> None:
        """Keep the files: each is complete."""
