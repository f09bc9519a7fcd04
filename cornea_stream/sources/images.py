"""Still images: one file, or a folder of images as a sequence."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av

from cornea_stream.errors import SourceError
from cornea_stream.media.frame import Frame, MediaInfo
from cornea_stream.sources.base import Source
from cornea_stream.sources.containers import open_media, reason
from cornea_stream.sources.read_options import ReadOptions

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
RATE = Fraction(25)


def is_image(path: Path) -> bool:
    """Whether the suffix is that of a still image."""
    return path.suffix.lower() in IMAGE_SUFFIXES


class ImageSource(Source):
    """One image, or the images of a folder in natural order (2 before 10) at 25 per second.

    Images that cannot be decoded are skipped and listed in `warnings`.
    Raises SourceError if there is no image to read.
    """

    def __init__(
        self,
        path: Path,
        reading: ReadOptions | None = None,
    ) -> None:
        self.path = path
        self._reading = reading = reading or ReadOptions()
        self._warnings: list[str] = []
        images = sorted(filter(is_image, path.iterdir()), key=_natural) if path.is_dir() else [path]
        if not images:
            raise SourceError(
                f"no images in this folder: {path}: to process videos, pass the video files"
            )
        chosen = [
            (index, image)
            for index, image in enumerate(images)
            if (reading.start_s or 0.0) <= index / RATE
            and (reading.end_s is None or index / RATE < reading.end_s)
        ][:: reading.every]
        self._count = len(chosen)
        frames = self._decode(chosen)
        first = next(frames, None)
        if first is None:
            raise SourceError(
                "; ".join(self._warnings)
                or f"no image in the chosen range: {path}: check start and end"
            )
        self._frames = itertools.chain([first], frames)
        self.info = MediaInfo(
            path=path,
            kind="images" if path.is_dir() else "image",
            width=first.video.width,
            height=first.video.height,
            pix_fmt=first.video.format.name,
            time_base=1 / RATE,
            rate=RATE,
            duration_s=float(len(images) / RATE),
            frame_count=len(images),
            rotation=first.rotation,
            color_range=int(first.video.color_range),
            colorspace=int(first.video.colorspace),
        )

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    @property
    def frame_estimate(self) -> int:
        """The number of selected images."""
        return self._count

    @property
    def warnings(self) -> list[str]:
        """The skipped images, with reasons."""
        return self._warnings

    @property
    def damaged_s(self) -> list[tuple[float, float]]:
        """Always empty: images are skipped, not stretches of time."""
        return []

    def close(self) -> None:
        """Do nothing: every image is closed after decoding."""

    def _decode(self, images: list[tuple[int, Path]]) -> Iterator[Frame]:
        for index, image in images:
            try:
                with open_media(image, max_megapixels=self._reading.max_megapixels) as container:
                    video = next(container.decode(video=0))
            except (SourceError, av.error.FFmpegError, StopIteration) as err:
                cause = str(err) if isinstance(err, SourceError) else f"{image}: {reason(err)}"
                if isinstance(err, av.error.ArgumentError):  # FFmpeg's error for its pixel limit
                    cause += f", perhaps larger than {self._reading.max_megapixels:g} megapixels"
                if self._reading.strict:
                    raise SourceError(f"{cause}: run without strict=True to skip it") from err
                self._warnings.append(f"image skipped: {cause}")
                continue
            video.pts, video.time_base = index, 1 / RATE
            yield Frame(index, float(index / RATE), video)


def _natural(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(int(p), "") if p.isdigit() else (-1, p) for p in parts]
