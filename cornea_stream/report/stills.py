"""Thumbnails of single frames of a run's video, for pages and figures."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from cornea_stream.errors import CorneaStreamError
from cornea_stream.media.frame import Frame, Image
from cornea_stream.sources import VideoSource, open_source

WIDTH = 320


def zero_of(video: Path, first_s: float) -> float:
    """Return the source time at the video's time 0, if its first frame is the one at `first_s`.

    Raises SourceError if no frame can be decoded.
    """
    with open_source(video) as source:
        return first_s - next(iter(source)).time_s - source.info.start_time_s


def frames_at(video: Path, times_s: Sequence[float], zero_s: float) -> list[Image | None]:
    """Return the frames shown at these source times: RGB, WIDTH wide, upright.

    `zero_s` is the source time at the video's time 0. A frame that cannot be decoded is None.
    """
    images: list[Image | None] = [None] * len(times_s)
    with contextlib.suppress(CorneaStreamError), open_source(video) as source:
        assert isinstance(source, VideoSource)
        begin_s = zero_s + source.info.start_time_s
        for index, time_s in enumerate(times_s):
            with contextlib.suppress(CorneaStreamError):
                # Half a millisecond later, since the times in the table are rounded.
                frame = source.frame_at(max(0.0, time_s - begin_s + 0.0005))
                images[index] = _small(frame.rgb(), _aspect(source, frame))
    return images


def _aspect(source: VideoSource, frame: Frame) -> float:
    """Return the pixel aspect ratio (width / height) of the upright frame."""
    aspect = float(source.info.sample_aspect_ratio or 1)
    return 1 / aspect if frame.orientation.sideways else aspect


def _small(rgb: Image, aspect: float) -> Image:
    height = max(1, round(WIDTH * rgb.shape[0] / (rgb.shape[1] * aspect)))
    return np.asarray(cv2.resize(rgb, (WIDTH, height), interpolation=cv2.INTER_AREA), np.uint8)
