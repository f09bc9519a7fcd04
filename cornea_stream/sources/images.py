"""Still images: one file, its pages or frames, or a folder of images as a sequence."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

from cornea_stream.errors import CorneaStreamError, SourceError, UsageError
from cornea_stream.media.frame import Frame, MediaInfo
from cornea_stream.media.hdr import tone_mapping
from cornea_stream.sources.base import Source
from cornea_stream.sources.dicom import Spacing
from cornea_stream.sources.read_options import ReadOptions
from cornea_stream.sources.stills import Still, count_images, is_image, open_still

RATE = Fraction(25)
_FINE = Fraction(1, 90000)
_SLOWEST = Fraction(1, 1001)


class ImageSource(Source):
    """Upright images of one file, or of a folder in natural order (2 before 10).

    Pages and images follow each other at 25 per second; an animation keeps its own times.
    Images of the wanted range that cannot be decoded are skipped and listed in `warnings`,
    incomplete ones are kept and listed there. Raises SourceError if there is no image to read, and
    UsageError if there is none in the wanted range.
    """

    def __init__(
        self,
        path: Path,
        reading: ReadOptions | None = None,
    ) -> None:
        self.path = path
        self._reading = reading or ReadOptions()
        self._warnings: list[str] = []
        self._damaged: list[tuple[float, float]] = []
        self._files = images_in(path) if path.is_dir() else [path]
        if not self._files:
            raise SourceError(
                f"no images in this folder: {path}: to process videos, pass the video files"
            )
        self._counts = [count_images(file) for file in self._files]
        count = sum(self._counts)
        self._duration_s: float | None = float(count / RATE)
        self._end_s = float(count / RATE)
        self._time_base, self._rate = 1 / RATE, RATE
        self._spacing: Spacing | None = None
        self._hdr: str | None = None
        frames = self._decode()
        first = next(frames, None)
        if first is None:
            raise self._no_image()
        self._frames: Iterator[Frame] = itertools.chain([first], frames)
        self._estimate = sum(map(self._is_chosen, range(count)))
        self.info = MediaInfo(
            path=path,
            kind="images" if path.is_dir() or count > 1 else "image",
            width=first.video.width,
            height=first.video.height,
            pix_fmt=first.video.format.name,
            time_base=self._time_base,
            rate=self._rate,
            duration_s=self._duration_s,
            frame_count=count,
            sample_aspect_ratio=self._spacing.aspect if self._spacing else None,
            mm_per_px=self._spacing.height_mm if self._spacing else None,
            color_range=int(first.video.color_range),
            colorspace=int(first.video.colorspace),
            hdr=self._hdr,
        )

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    @property
    def frame_estimate(self) -> int:
        """The number of selected images; of an animation, as if its first frame set the rate."""
        return self._estimate

    @property
    def warnings(self) -> list[str]:
        """The skipped and the incomplete images, with reasons, and what was done to pixels."""
        return [*self._warnings, *([tone_mapping(self._hdr)] if self._hdr else [])]

    @property
    def damaged_s(self) -> list[tuple[float, float]]:
        """The times of skipped and of incomplete images."""
        return self._damaged

    def close(self) -> None:
        """End the iteration, which closes the file that is open."""
        self._frames = iter(())

    def _decode(self) -> Iterator[Frame]:
        first = 0
        for file, count in zip(self._files, self._counts, strict=True):
            pages = [page for page in range(count) if self._is_chosen(first + page)]
            if pages or len(self._files) == 1:  # an animation has times of its own
                yield from self._read_file(file, first, pages)
            first += count

    def _read_file(self, file: Path, first: int, pages: Sequence[int]) -> Iterator[Frame]:
        """Yield the chosen pages of a file whose first one has this place in the sequence."""
        try:
            still = open_still(file, self._reading.max_megapixels)
        except SourceError as err:
            if file is self.path:
                raise  # without the only image there is nothing to skip to
            self._skip(err, float((first + min(pages, default=0)) / RATE))
            return
        with still:
            self._spacing = self._spacing or still.spacing
            if still.is_animation and len(self._files) == 1:
                yield from self._play(still)
                return
            for page in pages:
                yield from self._read(still, page, first + page)

    def _play(self, still: Still) -> Iterator[Frame]:
        """Yield the chosen frames of an animation at its own times."""
        self._time_base, self._duration_s = _FINE, None
        start_s, end_s = self._reading.start_s or 0.0, self._reading.end_s
        time_s, passed = 0.0, 0
        for page in range(still.count):
            ticks = round(time_s / _FINE)
            at_s = float(ticks * _FINE)
            if end_s is not None and at_s >= end_s:
                break
            frames: list[Frame] = []
            if at_s >= start_s and passed % self._reading.every == 0:
                frames = list(self._read(still, page, page, ticks))
            else:  # for how long it is shown
                with suppress(SourceError):
                    still.read(page)
            shown_s = still.duration_s or float(1 / RATE)
            if page == 0:
                self._rate = max(_SLOWEST, Fraction(1 / shown_s).limit_denominator(1001))
            yield from frames
            passed += at_s >= start_s
            time_s += shown_s
        self._end_s = time_s

    def _read(self, still: Still, page: int, index: int, pts: int | None = None) -> Iterator[Frame]:
        """Yield one image, or none if it cannot be decoded."""
        pts = index if pts is None else pts
        time_s = float(pts * self._time_base)
        try:
            video = still.read(page)
        except SourceError as err:
            if still.path is self.path and still.count == 1:
                raise
            self._skip(err, time_s)
            return
        video.pts, video.time_base = pts, self._time_base
        self._hdr = self._hdr or still.hdr
        if still.damaged:
            if self._reading.strict:
                raise SourceError(f"{still.path}: incomplete: run without strict=True to keep it")
            self._warnings.append(f"image incomplete: {still.path}: cut off or damaged")
            self._damaged.append((time_s, time_s))
        yield Frame(index, time_s, video)

    def _no_image(self) -> CorneaStreamError:
        if self._warnings:
            return SourceError("; ".join(self._warnings))
        start_s = self._reading.start_s
        if start_s and start_s >= self._end_s:
            return UsageError(
                f"no image at or after {start_s:g} s: {self.path} lasts {self._end_s:.3f} s: "
                "choose an earlier start"
            )
        return UsageError(f"no image in the chosen range: {self.path}: check start and end")

    def _skip(self, cause: SourceError, time_s: float) -> None:
        if self._reading.strict:
            raise SourceError(f"{cause}: run without strict=True to skip it") from cause
        self._warnings.append(f"image skipped: {cause}")
        self._damaged.append((time_s, time_s))

    def _is_chosen(self, index: int) -> bool:
        """Whether the image at this place in the sequence is one of those to read."""
        # Rounded, since 0.04 is a little more than one step of 1/25.
        first = math.ceil(round((self._reading.start_s or 0.0) * float(self._rate), 6))
        end_s = self._reading.end_s
        return (
            index >= first
            and (end_s is None or float(index / self._rate) < end_s)
            and (index - first) % self._reading.every == 0
        )


def images_in(folder: Path) -> list[Path]:
    """Return the images of a folder in natural order, without hidden ones."""
    images = (path for path in folder.iterdir() if is_image(path) and path.name[0] != ".")
    return sorted(images, key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(int(p), "") if p.isdecimal() else (-1, p) for p in parts]
