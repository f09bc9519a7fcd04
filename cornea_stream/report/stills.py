"""Single frames of a run's video, small, for pages and pictures of it."""

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
    """Return the source's time at the video's time 0, where its first frame is that at `first_s`.

    Raises SourceError when no frame can be decoded.
    """
    with open_source(video) as source:
        return first_s - next(iter(source)).time_s


def frames_at(video: Path, times_s: Sequence[float], zero_s: float) -> list[Image | None]:
    """Return the frames that are shown at these times of the source: RGB, WIDTH wide, upright.

    `zero_s` is the source's time at the video's time 0. None stands for a frame that cannot be
    decoded.
    """
    images: list[Image | None] = [None] * len(times_s)
    with contextlib.suppress(CorneaStreamError), open_source(video) as source:
        assert isinstance(source, VideoSource)
        for index, time_s in enumerate(times_s):
            with contextlib.suppress(CorneaStreamError):
                # Half a millisecond on, since the table's times are rounded.
                frame = source.frame_at(max(0.0, time_s - zero_s + 0.0005))
                images[index] = _small(frame.rgb(), _aspect(source, frame))
    return images


def _aspect(source: VideoSource, frame: Frame) -> float:
    """Return the width of a pixel of the upright picture over its height."""
    aspect = float(source.info.sample_aspect_ratio or 1)
    return 1 / aspect if frame.rotation % 180 else aspect


def _small(rgb: Image, aspect: float) -> Image:
    height = max(1, round(WIDTH * rgb.shape[0] / (rgb.shape[1] * aspect)))
    return np.asarray(cv2.resize(rgb, (WIDTH, height), interpolation=cv2.INTER_AREA), np.uint8)
