"""Opens any source: a video, images, a stream or a camera."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import cv2

from cornea_stream.errors import check_callback, check_flag, check_number, wrong_type
from cornea_stream.media.address import Address, as_path, find_address
from cornea_stream.media.times import optional_seconds
from cornea_stream.sources.base import Source
from cornea_stream.sources.capture import CaptureSource
from cornea_stream.sources.containers import MAX_MEGAPIXELS
from cornea_stream.sources.images import ImageSource
from cornea_stream.sources.live import RECONNECT_S, LiveSource
from cornea_stream.sources.nvdec import NvdecSource, check_decoder
from cornea_stream.sources.read_options import ReadOptions
from cornea_stream.sources.stills import holds_images
from cornea_stream.sources.video import VideoSource


def open_source(
    path: str | os.PathLike[str] | Address | int | cv2.VideoCapture,
    *,
    start_s: float | str | None = None,
    end_s: float | str | None = None,
    every: int = 1,
    strict: bool = False,
    max_megapixels: float = MAX_MEGAPIXELS,
    video_track: int | None = None,
    keep_metadata: bool = False,
    live: bool = False,
    reconnect_s: float = RECONNECT_S,
    stop: threading.Event | None = None,
    on_note: Callable[[str], None] | None = None,
    decoder: str = "auto",
) -> Source:
    """Open `path`: a file, a folder of images taken as one sequence, an address, a camera, or -.

    A camera is the number of a V4L2 device, its path, or an open `cv2.VideoCapture`.
    See `ReadOptions` for the first seven options and `open_reading` for the others.
    Raises SourceError if nothing can be read, and UsageError for invalid arguments.

    Examples:
        >>> with open_source("surgery.mp4", end_s=0.2) as source:
        ...     print(source.info.width, source.info.height, source.info.rate)
        ...     print([f"{frame.time_s:.2f}" for frame in source])
        512 384 25
        ['0.00', '0.04', '0.08', '0.12', '0.16']

    """
    reading = ReadOptions(
        optional_seconds("start_s", start_s), optional_seconds("end_s", end_s),
        every, strict, max_megapixels, video_track, keep_metadata,
    )  # fmt: skip
    return open_reading(
        path,
        reading,
        live=live,
        reconnect_s=reconnect_s,
        stop=stop,
        on_note=on_note,
        decoder=decoder,
    )


def open_reading(
    path: str | os.PathLike[str] | Address | int | cv2.VideoCapture,
    reading: ReadOptions,
    *,
    live: bool = False,
    reconnect_s: float = RECONNECT_S,
    stop: threading.Event | None = None,
    on_note: Callable[[str], None] | None = None,
    decoder: str = "auto",
) -> Source:
    """Open `path` to read the frames that `reading` selects.

    Sources without an end, and all streams with `live`, give a `LiveSource`, which uses
    `reconnect_s`, `stop` and `on_note`.
    `decoder` is cpu, nvdec (for video files; others use the CPU) or auto, which is the CPU.
    Raises SourceError if nothing can be read, and UsageError for invalid arguments.
    """
    check_number("reconnect_s", reconnect_s, 0, example=RECONNECT_S)
    check_decoder(decoder)
    check_flag("live", live)
    check_callback("on_note", on_note, "a sentence")
    if stop is not None and not isinstance(stop, threading.Event):
        raise wrong_type("stop", stop, "a threading.Event")
    if isinstance(path, cv2.VideoCapture):
        return CaptureSource(path, reading)
    address = find_address(path)
    if address and (live or address.endless):
        return LiveSource(address, reading, reconnect_s=reconnect_s, stop=stop, on_note=on_note)
    if address:
        return VideoSource(address, reading, stop=stop)
    path = as_path(path)
    if path.is_dir() or holds_images(path):
        return ImageSource(path, reading)
    return NvdecSource(path, reading) if decoder == "nvdec" else VideoSource(path, reading)
