"""Reads image files, upright: one image of most, all pages and frames of TIFF, WebP and AVIF.

FFmpeg reads the usual formats. Pillow reads those of which FFmpeg takes a part for the whole: tiles
of AVIF and HEIC, tiles, planes and pages of TIFF, frames of animated WebP and PNG.
"""

from __future__ import annotations

import math
import struct
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
from PIL import Image, UnidentifiedImageError

from cornea_stream.errors import SourceError
from cornea_stream.media.hdr import NAMES as HDR_NAMES
from cornea_stream.media.hdr import rgb_in_standard_range, tone_mapped
from cornea_stream.media.orientation import EXIF, UPRIGHT, Orientation, display_matrix, upright
from cornea_stream.media.planes import turned_upright
from cornea_stream.sources import dicom, tiff
from cornea_stream.sources.containers import check_size, known, open_media, reason
from cornea_stream.sources.still_structure import is_whole

_HEIF = frozenset({".heic", ".heif", ".hif"})
_ANIMATIONS = frozenset({".avif", ".png", ".webp"})
_BY_PILLOW = _HEIF | {".avif", ".tga", ".tif", ".tiff", ".webp"}
IMAGE_SUFFIXES = _BY_PILLOW | {
    ".bmp", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm",
}  # fmt: skip
_MAY_BE_HDR = _HEIF | {".avif"}
_MAY_HOLD_SEVERAL = _BY_PILLOW | _ANIMATIONS
_ORIENTATION_TAG = 274
_UNSPECIFIED = 2, 2
# Pillow's modes whose samples have no agreed black and white.
_WITHOUT_RANGE = {"F": "floating-point", "I": "32-bit"}
PILLOW_ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, TypeError, LookupError, RuntimeError, struct.error,
    Image.DecompressionBombError,
)  # fmt: skip
"""What Pillow raises for a file that it cannot read, among them its limit against bombs."""
_FFMPEG_ERRORS = (av.error.FFmpegError, StopIteration, IndexError)
"""What PyAV raises for a file that it cannot decode, or that holds no image at all."""


def is_image(path: Path) -> bool:
    """Whether the suffix is that of a still image."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def holds_images(path: Path) -> bool:
    """Whether `path` is an image file, or a DICOM file with images instead of a video."""
    return is_image(path) or (dicom.is_dicom(path) and not dicom.read_header(path).is_video)


def is_still(path: Path) -> bool:
    """Whether `path` is a file with one image, not with several pages or frames."""
    try:
        return path.is_file() and holds_images(path) and count_images(path) == 1
    except SourceError:
        return False  # a run will fail for the same reason


def count_images(path: Path) -> int:
    """Return the number of images in a file by its header; 1 if it cannot be read."""
    if is_image(path) and path.suffix.lower() not in _MAY_HOLD_SEVERAL:
        return 1
    try:
        with open_still(path, math.inf) as still:
            return still.count
    except SourceError:
        return 1


def open_still(path: Path, max_megapixels: float) -> Still:
    """Open an image file. Raises SourceError, also for images above `max_megapixels`."""
    if not is_image(path):
        return _DicomStill(path, max_megapixels)
    if path.suffix.lower() in _BY_PILLOW or _is_animated_png(path):
        return _PillowStill(path, max_megapixels)
    return _FfmpegStill(path, max_megapixels)


class Still(ABC):
    """The `count` images of the open file `path`.

    `damaged` tells whether the last one that was read is incomplete. `duration_s` is how long an
    animation shows it, and None for pages. `spacing` is the size of a pixel, if known. `hdr` names
    the transfer function of HDR, which is tone-mapped.
    """

    path: Path
    count = 1
    is_animation = False
    damaged = False
    duration_s: float | None = None
    spacing: dicom.Spacing | None = None
    hdr: str | None = None

    @abstractmethod
    def read(self, page: int) -> av.VideoFrame:
        """Return an image, upright. Raises SourceError."""

    @abstractmethod
    def close(self) -> None:
        """Close the file."""

    def __enter__(self) -> Still:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class _FfmpegStill(Still):
    """An image that FFmpeg decodes to its native pixel format."""

    def __init__(self, path: Path, max_megapixels: float) -> None:
        self.path, self._max_megapixels = path, max_megapixels

    def read(self, page: int) -> av.VideoFrame:
        """Return the image."""
        try:
            video = self._decode({"err_detect": "explode"})
        except _FFMPEG_ERRORS:
            video = self._decode_damaged()
        self.damaged |= not is_whole(self.path.read_bytes())
        orientation, transfer = self._orientation(video), int(video.color_trc)
        self.hdr = HDR_NAMES.get(transfer)
        if self.hdr:  # PNG has tags for it
            mapped = rgb_in_standard_range(video)
            return av.VideoFrame.from_ndarray(upright(mapped, orientation), format="rgb24")
        return turned_upright(video, orientation)

    def close(self) -> None:
        """Do nothing: the file is closed after decoding."""

    def _decode(self, options: dict[str, str]) -> av.VideoFrame:
        with open_media(self.path, max_megapixels=self._max_megapixels) as container:
            stream = known(container.streams.video)[0]
            context = stream.codec_context
            context.options = {**context.options, **options}
            return next(container.decode(stream))

    def _decode_damaged(self) -> av.VideoFrame:
        try:
            video = self._decode({})
        except _FFMPEG_ERRORS as err:
            is_image = isinstance(err, av.error.FFmpegError)
            cause = reason(err) if is_image else "it holds no image"
            if isinstance(err, av.error.ArgumentError):  # FFmpeg's error for its pixel limit
                cause += f", perhaps larger than {self._max_megapixels:g} megapixels"
            raise SourceError(
                f"not a readable image: {self.path}: {cause}: copy it again, or convert it to PNG"
            ) from err
        self.damaged = True
        return video

    def _orientation(self, video: av.VideoFrame) -> Orientation:
        try:
            return display_matrix(video)
        except ValueError:  # the frame has EXIF data, which PyAV does not know
            try:
                with Image.open(self.path) as image:
                    return _exif_orientation(image)
            except PILLOW_ERRORS:
                return UPRIGHT


class _PillowStill(Still):
    """One or several images that Pillow decodes, to 8-bit RGB or 16-bit gray."""

    def __init__(self, path: Path, max_megapixels: float) -> None:
        self.path, self._max_megapixels = path, max_megapixels
        if path.suffix.lower() in _HEIF:
            _allow_heif(path)
        try:
            self._image = Image.open(path)
            self._pages = tiff.pages(self._image)
            self._transfer, self._primaries = _color_tags(path)
            self.hdr = HDR_NAMES.get(self._transfer)
            self.count = len(self._pages)
            self.is_animation = self.count > 1 and path.suffix.lower() in _ANIMATIONS
            self._seek(0)
        except PILLOW_ERRORS as err:
            raise self._error(err) from err
        except SourceError:
            self.close()
            raise

    def read(self, page: int) -> av.VideoFrame:
        """Return a page or frame."""
        image = self._image
        try:
            self._seek(page)
            tiff.check_samples(image, self.path)
            image.load()
            orientation = _exif_orientation(image)  # Pillow has applied that of TIFF
            shown_ms = image.info.get("duration")
            self.duration_s = shown_ms / 1000 if shown_ms else None
            if image.mode.startswith("I;16"):
                gray = upright(tiff.whole_range(image), orientation)
                return av.VideoFrame.from_ndarray(gray, format="gray16le")
            if image.mode in _WITHOUT_RANGE:
                raise SourceError(
                    f"{_WITHOUT_RANGE[image.mode]} samples, whose range is unknown: {self.path}: "
                    "convert it to 8 or 16 bits per sample"
                )
            rgb = np.asarray(image.convert("RGB"), np.uint8)
            if self.hdr:
                rgb = tone_mapped(rgb, self._transfer, self._primaries)
            rgb = upright(rgb, orientation)
            return av.VideoFrame.from_ndarray(rgb, format="rgb24")
        except PILLOW_ERRORS as err:
            raise self._error(err) from err

    def close(self) -> None:
        """Close the file."""
        self._image.close()

    def _seek(self, page: int) -> None:
        """Go to a page or frame, each of which has a size of its own."""
        self._image.seek(self._pages[page])
        check_size(*self._image.size, self.path, self._max_megapixels)

    def _error(self, err: Exception) -> SourceError:
        if isinstance(err, Image.DecompressionBombError):
            return SourceError(
                f"frame too large: {self.path}: more megapixels than Pillow reads: convert it to "
                "PNG, and if the size is real, raise max_megapixels"
            )
        if isinstance(err, UnidentifiedImageError):
            return SourceError(
                f"not a readable image: {self.path}: the file is of another type, has samples of "
                "an unusual kind, or is damaged: convert it to PNG"
            )
        return SourceError(f"{self.path}: {reason(err)}: the file is damaged: copy it again")


class _DicomStill(Still):
    """The images of a DICOM file; several are a film."""

    def __init__(self, path: Path, max_megapixels: float) -> None:
        self.path, self._header = path, dicom.read_header(path)
        header = self._header
        check_size(header.width, header.height, path, max_megapixels)
        self.count, self.spacing = header.count, header.spacing
        self.is_animation = header.count > 1
        self._images = dicom.read_images(path)

    def read(self, page: int) -> av.VideoFrame:
        """Return the next image; `page` counts up."""
        shown = self._header.durations_s
        steady_s = float(1 / self._header.rate) if self._header.rate else None
        self.duration_s = shown[page] if page < len(shown) else steady_s
        image = next(self._images, None)
        if image is None:
            raise SourceError(f"{self.path}: fewer images than announced: copy it again")
        return av.VideoFrame.from_ndarray(image, "rgb24" if image.ndim == 3 else "gray16le")

    def close(self) -> None:
        """Close the file."""
        self._images.close()


def _exif_orientation(image: Image.Image) -> Orientation:
    return EXIF.get(image.getexif().get(_ORIENTATION_TAG, 1), UPRIGHT)


def _color_tags(path: Path) -> tuple[int, int]:
    """Return transfer function and primaries of AVIF and HEIC, which Pillow leaves out."""
    if path.suffix.lower() in _MAY_BE_HDR:
        with suppress(SourceError), open_media(path) as container:
            for stream in known(container.streams.video):
                context = stream.codec_context
                return int(context.color_trc), int(context.color_primaries)
    return _UNSPECIFIED


def _is_animated_png(path: Path) -> bool:
    if path.suffix.lower() != ".png":
        return False
    try:
        with Image.open(path) as image:
            return getattr(image, "is_animated", False)
    except PILLOW_ERRORS:
        return False


def _allow_heif(path: Path) -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError as err:
        raise SourceError(
            f"a HEIC image: {path}: to read it, install cornea-stream[images]"
        ) from err
    register_heif_opener()
