"""A video of one's own images, with the times, sound and orientation of a source."""

from __future__ import annotations

import math
import os
import warnings
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, VideoReformatter

from cornea_stream.errors import (
    CorneaStreamWarning,
    OutputError,
    UsageError,
    check_flag,
    is_real,
    wrong_type,
)
from cornea_stream.media.frame import Frame, Image, MediaInfo
from cornea_stream.media.image_input import ColorOrder, ImageInput, is_bgr, rgb_pixels
from cornea_stream.media.orientation import as_stored
from cornea_stream.media.planes import to_yuv420
from cornea_stream.sinks.encoder import check_container, check_encoder, check_encoder_types
from cornea_stream.sinks.video import VideoFile
from cornea_stream.sources import Source, open_source
from cornea_stream.sources.read_options import ReadOptions

_CONTAINERS = {".mp4": "mp4", ".mkv": "matroska", ".nut": "nut"}


class VideoWriter:
    """Writes images as `run` writes the overlay: with the times, sound and rotation of a source.

    Examples:
        >>> with open_source("surgery.mp4") as source, VideoWriter("mine.mp4", source) as writer:
        ...     for found in Segmenter().stream(source):
        ...         writer.write(found.overlay(OverlayStyle(contour=True)), found.frame)
        >>> Path("mine.mp4").exists()
        True

    The file appears under its name when the `with` block ends without an error. Until then, a
    .part file beside it plays.

    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        source: Source | str | os.PathLike[str],
        *,
        codec: str = "libx264",
        crf: float | None = None,
        preset: str | None = None,
        audio: bool = True,
        overwrite: bool = False,
        color: ColorOrder = "rgb",
    ) -> None:
        """Open the file, whose name ends in .mp4, .mkv or .nut.

        `source` is an open source, or the path of the video that the images come from. `codec`,
        `crf` and `preset` are FFmpeg's. `audio` copies the sound. `color` is the order of the
        channels of arrays and tensors: bgr for images that OpenCV made.
        Raises UsageError for invalid arguments, SourceError if the path cannot be read, and
        OutputError if the file exists or cannot be created.
        """
        check_flag("audio", audio)
        check_flag("overwrite", overwrite)
        is_bgr(color)  # refuses what it does not know
        if not isinstance(path, str | os.PathLike):
            raise wrong_type("path", path, "a path that ends in .mp4, .mkv or .nut")
        self.path, self._color = Path(path), color
        container = _CONTAINERS.get(self.path.suffix)
        if container is None:
            raise UsageError(
                f"path must end in .mp4, .mkv or .nut: {self.path}: choose one of these"
            )
        check_encoder_types(codec, crf, preset)
        settings = check_encoder(codec, crf, preset)
        check_container(settings, container)
        self._info, selection = _described(source)
        _check_free(self.path, self._info.path, overwrite)
        self._file = VideoFile(
            self.path, self._info, settings,
            audio=audio and self._info.path is not None,
            offset_s=selection.start_s or 0.0, end_s=selection.end_s,
        )  # fmt: skip
        self._reformatter = VideoReformatter()
        self._last: int | None = None

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._file.abort()

    @property
    def warnings(self) -> list[str]:
        """What was changed or omitted so far, one sentence each."""
        return self._file.warnings

    def write(self, image: ImageInput, at: Frame | float) -> None:
        """Add an upright image, of any type that `Segmenter` takes but a path.

        `at` is the frame of the source whose time it gets, or that time in seconds. It must
        increase. All images should have one size.
        Raises UsageError for invalid arguments, and OutputError if the file cannot be written.
        """
        if not isinstance(at, Frame) and not (is_real(at) and math.isfinite(at)):
            raise wrong_type("at", at, "a Frame or seconds")
        pixels = rgb_pixels(image, color=self._color)
        pts = self._ticks(at)
        if self._last is not None and pts <= self._last:
            last_s, time_s = (float(ticks * self._info.time_base) for ticks in (self._last, pts))
            raise UsageError(
                f"at must increase: {time_s:g} s after {last_s:g} s: give the images in order"
            )
        self._last = pts
        self._file.encode(self._encodable(pixels, pts))

    def close(self) -> None:
        """Complete the file and warn of what was changed; safe to call twice.

        Raises OutputError, also if no image was written.
        """
        if self._last is None:
            self._file.abort()
            raise OutputError(f"no images were written: {self.path}: use write before close")
        self._file.close()
        for sentence in self.warnings:
            warnings.warn(sentence, CorneaStreamWarning, stacklevel=3)
        self._file.warnings.clear()

    def _ticks(self, at: Frame | float) -> int:
        time_base = self._info.time_base
        if not isinstance(at, Frame):
            return round(at / time_base)
        if at.video.pts is not None and at.video.time_base == time_base:
            return at.video.pts
        return round(at.time_s / time_base)

    def _encodable(self, pixels: Image, pts: int) -> av.VideoFrame:
        """Return upright RGB as it is stored, in the source's own YUV and with even sides."""
        info = self._info
        stored = as_stored(pixels, info.orientation)
        height, width = stored.shape[:2]
        stored = np.pad(stored, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
        video = av.VideoFrame.from_ndarray(np.ascontiguousarray(stored), format="rgb24")
        video.pts, video.time_base = pts, info.time_base
        if not av.VideoFormat(info.pix_fmt).name.startswith(("yuv", "nv", "p0")):
            return to_yuv420(video, self._reformatter)
        full = "j" in info.pix_fmt or info.color_range == ColorRange.JPEG
        converted = self._reformatter.reformat(
            video, format="yuv420p", dst_colorspace=info.colorspace,
            dst_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
        )  # fmt: skip
        converted.colorspace, converted.color_range = info.colorspace, info.color_range
        converted.pts, converted.time_base = pts, info.time_base
        return converted


def _described(source: object) -> tuple[MediaInfo, ReadOptions]:
    """Return what is known of the source, and which of its frames are read."""
    if isinstance(source, Source):
        return source.info, source.selection
    if not isinstance(source, str | os.PathLike):
        raise wrong_type("source", source, "an open source, or the path of a video")
    with open_source(source) as opened:
        return opened.info, opened.selection


def _check_free(path: Path, source: Path | None, overwrite: bool) -> None:
    """Raise OutputError if the file exists and may not be replaced."""
    if not path.exists():
        return
    if source is not None and source.exists() and path.samefile(source):
        raise OutputError(f"output would replace the input: {path}: choose another name")
    if not overwrite:
        raise OutputError(f"output exists: {path}: pass overwrite=True or choose another name")
