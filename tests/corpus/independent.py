"""Reads a file without the product: plain FFmpeg, Pillow, OpenCV or pydicom."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps
import pydicom

from .pictures import Image, coarse, number_of
from .truth import Reading

_BY_OPENCV = frozenset({".jpg", ".jp2", ".bmp", ".ppm", ".pgm"})
_BY_PILLOW = frozenset({".png", ".webp", ".tif", ".tiff", ".avif", ".heic", ".tga"})


def read(path: Path) -> Reading:
    """Return what another reader makes of a whole file; times of videos only if it has some."""
    if path.suffix == ".dcm":
        pixels = pydicom.dcmread(path).pixel_array
        return _reading([], list(pixels if pixels.ndim == 4 else pixels[None]))
    if path.suffix in _BY_OPENCV:
        return _reading([], [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)])
    if path.suffix in _BY_PILLOW:
        return _by_pillow(path)
    return _by_ffmpeg(path)


def _by_pillow(path: Path) -> Reading:
    images = []
    with PIL.Image.open(path) as file:
        for page in range(getattr(file, "n_frames", 1)):
            file.seek(page)
            image = PIL.ImageOps.exif_transpose(file)
            if image.mode.startswith("I"):
                image = PIL.Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            images.append(np.asarray(image.convert("RGB")))
    return _reading([], images)


def _by_ffmpeg(path: Path) -> Reading:
    """Decode the largest video on one thread, as stored; times count from the container's start."""
    with av.open(str(path)) as container:
        stream = max(container.streams.video, key=lambda video: video.width)
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1
        start_s = (container.start_time or 0) / av.time_base
        frames = list(container.decode(stream))
    # AVI has only decoding times, and those of raw MPEG begin late.
    timed = path.suffix not in (".avi", ".m2v") and all(frame.pts is not None for frame in frames)
    times = [float(frame.time or 0) - start_s for frame in frames] if timed else []
    return _reading(times, [frame.to_ndarray(format="rgb24") for frame in frames])


def _reading(times_s: list[float], images: list[Image]) -> Reading:
    return Reading(times_s, [number_of(image) for image in images], [coarse(i) for i in images])


def complains(path: Path) -> bool:
    """Whether FFmpeg finds fault with a video or its container, told to look as hard as it can."""
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture(local=False) as said, av.open(str(path)) as container:
            stream = max(container.streams.video, key=lambda video: video.width)
            names = {container.format.name, stream.codec_context.name}
            stream.thread_type, stream.codec_context.thread_count = "NONE", 1
            stream.codec_context.options = {"err_detect": "crccheck+bitstream+buffer+careful"}
            for packet in container.demux(stream):
                if packet.is_corrupt or any(frame.is_corrupt for frame in packet.decode()):
                    return True
            return any(name in names for _, name, _ in said)
    except (av.error.FFmpegError, ValueError, IndexError):
        return True
    finally:
        av.logging.set_level(None)
