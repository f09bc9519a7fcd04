"""Calibration frames for int8, spread over the whole length of a video."""

from __future__ import annotations

from pathlib import Path

from cornea_stream.engines.preprocess import model_input
from cornea_stream.errors import UsageError
from cornea_stream.media.frame import Frame, Image
from cornea_stream.sources import Source, VideoSource, open_source

FRAMES = 64
MIN_FRAMES = 8
"""Fewer frames do not show the range of activations and leave none for the comparison."""


def calibration_images(path: str | Path, image_size: tuple[int, int]) -> list[Image]:
    """Return up to FRAMES model inputs, (h, w, 3) uint8 RGB of `image_size`, spread over `path`.

    `path` is a video or a folder of images. Raises SourceError if nothing can be read, and
    UsageError for fewer than MIN_FRAMES different frames.
    """
    with open_source(path) as source:
        frames = {frame.time_s: frame for frame in _spread(source)}
    if len(frames) < MIN_FRAMES:
        raise UsageError(
            f"too short to calibrate on: {path} has {len(frames)} frames: "
            f"give a video of {MIN_FRAMES} or more"
        )
    return [model_input(frame, image_size) for frame in frames.values()]


def _spread(source: Source) -> list[Frame]:
    """Return evenly spaced frames: by seeking if the length is known, else by reading."""
    seconds = source.info.duration_s
    if isinstance(source, VideoSource) and seconds:
        frames = []
        for number in range(FRAMES):
            try:
                frames.append(source.frame_at(seconds * number / FRAMES))
            except UsageError:  # the header claims more than there is
                break
        return frames
    kept: list[Frame] = []
    step = 1
    for index, frame in enumerate(source):
        if index % step == 0:
            kept.append(frame)
        if len(kept) == 2 * FRAMES:
            kept, step = kept[::2], 2 * step
    return kept
