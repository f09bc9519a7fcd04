"""Frames of a `cv2.VideoCapture`, for programs that have one open."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction

import av
import cv2

from cornea_stream.errors import SourceError, UsageError
from cornea_stream.media.frame import Frame, MediaInfo
from cornea_stream.media.image_input import rgb_pixels
from cornea_stream.sources.base import Source
from cornea_stream.sources.rate import FALLBACK_RATE
from cornea_stream.sources.read_options import ReadOptions
from cornea_stream.sources.timestamps import TIME_BASE, LiveClock

_CAMERA_BACKENDS = ("AVFOUNDATION", "DSHOW", "MSMF", "V4L", "V4L2")


class CaptureSource(Source):
    """The frames of an open capture from where it stands, with OpenCV's times.

    BGR becomes RGB. The capture remains the caller's: it is not released. If it is a camera, it
    `is_live`, and times count from the first frame.
    Raises SourceError if the capture is closed, and UsageError for a start time of a camera.
    """

    def __init__(self, capture: cv2.VideoCapture, reading: ReadOptions | None = None) -> None:
        if not capture.isOpened():
            raise SourceError(
                "the cv2.VideoCapture is not open: check the path or the number of the camera"
            )
        self._capture = capture
        self._reading = reading or ReadOptions()
        self.is_live = (
            capture.getBackendName() in _CAMERA_BACKENDS
            and capture.get(cv2.CAP_PROP_FRAME_COUNT) <= 0
        )
        if self.is_live and self._reading.start_s is not None:
            raise UsageError("a live source begins now: leave out start_s")
        rate = capture.get(cv2.CAP_PROP_FPS)
        self.info = MediaInfo(
            path=None,
            kind="stream",
            width=int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
            height=int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
            pix_fmt="rgb24",
            time_base=TIME_BASE,
            rate=Fraction(rate).limit_denominator(1001) if rate > 0 else FALLBACK_RATE,
        )
        self._frames = self._selected()

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    @property
    def frame_estimate(self) -> int | None:
        """The number of frames that OpenCV estimates from the header."""
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        return count // self._reading.every if count > 0 else None

    @property
    def warnings(self) -> list[str]:
        """Nothing: OpenCV does not report damage."""
        return []

    @property
    def damaged_s(self) -> list[tuple[float, float]]:
        """Nothing: OpenCV does not report damage."""
        return []

    def close(self) -> None:
        """End the iteration."""
        self._frames = iter(())

    def _selected(self) -> Iterator[Frame]:
        begin_s, end_s = self._reading.start_s or 0.0, self._reading.end_s
        first: int | None = None
        for index, (pts, pixels) in enumerate(self._read()):
            time_s = float(pts * TIME_BASE)
            if time_s < begin_s:
                continue
            if end_s is not None and time_s >= end_s:
                return
            first = index if first is None else first
            if (index - first) % self._reading.every == 0:
                rgb = rgb_pixels(pixels, color="bgr")
                video = av.VideoFrame.from_ndarray(rgb, format="rgb24")
                video.pts, video.time_base = pts, TIME_BASE
                yield Frame(index - first, time_s, video, time.perf_counter())

    def _read(self) -> Iterator[tuple[int, cv2.typing.MatLike]]:
        """Yield increasing times in ticks of TIME_BASE, and BGR or gray frames."""
        clock, last = LiveClock(), -1
        step = round(1 / self.info.rate / TIME_BASE)
        while True:
            is_read, pixels = self._capture.read()
            if not is_read:
                return
            shown_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if self.is_live:
                last = clock.tick(shown_s if shown_s > 0 else None, time.perf_counter())
            else:
                ticks = round(shown_s / TIME_BASE)
                last = ticks if ticks > last else last + step
            yield last, pixels
