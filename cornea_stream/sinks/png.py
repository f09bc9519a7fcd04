"""PNG files: one mask and one overlay per frame, or those of a single image."""

from __future__ import annotations

import re
from collections.abc import Container
from pathlib import Path

import cv2
import numpy as np

from cornea_stream.errors import OutputError
from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.media.frame import Image
from cornea_stream.media.overlay import OverlayStyle, paint_rgb
from cornea_stream.sinks.base import SegmentationSink
from cornea_stream.storage import output_errors, write_file

_OWN_NAME = re.compile(r"([0-9]{6}|[1-9][0-9]{6,})_(mask|overlay)\.png")


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


def remove_others(folder: Path, written: Container[int]) -> None:
    """Remove the files of all frames that are not in `written`. Raises OutputError."""
    with output_errors(folder):
        for path in folder.iterdir():
            own = _OWN_NAME.fullmatch(path.name)
            if own and int(own[1]) not in written:
                path.unlink()


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


class PngSequenceSink(SegmentationSink):
    """`%06d_mask.png` and `%06d_overlay.png` for every frame, in one folder.

    Files of an earlier run with these names are replaced; those that this run did not write are
    removed when it completes. Other files in the folder are kept.
    """

    name = "frames"

    def __init__(self, folder: Path, style: OverlayStyle) -> None:
        """Create the folder. Raises OutputError."""
        self.folder = folder
        self._style = style
        self._written = FrameNumbers()
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def write(self, segmentation: Segmentation) -> None:
        """Write the two files of one frame."""
        overlay = paint_rgb(segmentation, self._style)
        number = segmentation.frame.index
        for name, image in zip(frame_files(number), (segmentation.mask, overlay), strict=True):
            write_png(self.folder / name, image)
        self._written.add(number)

    def close(self) -> None:
        """Remove leftover files of an earlier run."""
        remove_others(self.folder, self._written)

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
