"""Sources: open a video, an image, a folder of images or a stream; iterate its frames in order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from cornea_stream.errors import UsageError, check_number
from cornea_stream.media.address import Address, find_address
from cornea_stream.sources.containers import MAX_MEGAPIXELS
from cornea_stream.sources.images import ImageSource, is_image
from cornea_stream.sources.live import RECONNECT_S, LiveSource
from cornea_stream.sources.nvdec import NvdecSource, check_decoder
from cornea_stream.sources.video import VideoSource

Source: TypeAlias = VideoSource | ImageSource | LiveSource

__all__ = [
    "ImageSource",
    "LiveSource",
    "NvdecSource",
    "Source",
    "VideoSource",
    "check_decoder",
    "check_stretch",
    "is_image",
    "open_source",
]


def open_source(
    path: str | Path | Address,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    every: int = 1,
    strict: bool = False,
    max_megapixels: float = MAX_MEGAPIXELS,
    live: bool = False,
    reconnect_s: float = RECONNECT_S,
    stop: threading.Event | None = None,
    on_note: Callable[[str], None] | None = None,
    decoder: str = "auto",
) -> Source:
    """Open `path`: a file, a folder of images taken as one sequence, an address, a camera, or -.

    Frames with `start_s` <= time < `end_s` are read, and of those every `every`-th.
    With `strict` the first damage is a SourceError instead of being skipped and told in `warnings`.
    Pictures of more than `max_megapixels` are refused before memory is spent on them.
    Sources without an end, and with `live` the other streams too, are a `LiveSource`, which
    `reconnect_s`, `stop` and `on_note` are for.
    `decoder`: cpu, nvdec (video files only, and the CPU where that does not go), or auto, the CPU.
    Raises SourceError when nothing can be read there, UsageError when the arguments make no sense.
    """
    check_stretch(start_s, end_s, every)
    check_number("reconnect_s", reconnect_s, 0, example=RECONNECT_S)
    check_decoder(decoder)
    address = find_address(path)
    if address and (live or address.endless):
        return LiveSource(
            address,
            start_s=start_s,
            end_s=end_s,
            every=every,
            strict=strict,
            max_megapixels=max_megapixels,
            reconnect_s=reconnect_s,
            stop=stop,
            on_note=on_note,
        )
    if address:
        return VideoSource(
            address,
            start_s=start_s,
            end_s=end_s,
            every=every,
            strict=strict,
            max_megapixels=max_megapixels,
            stop=stop,
        )
    path = Path(str(path))
    video = NvdecSource if decoder == "nvdec" else VideoSource
    kind = ImageSource if path.is_dir() or is_image(path) else video
    return kind(
        path,
        start_s=start_s,
        end_s=end_s,
        every=every,
        strict=strict,
        max_megapixels=max_megapixels,
    )


def check_stretch(start_s: float | None, end_s: float | None, every: int) -> None:
    """Raise UsageError where no frame can lie between these times, or `every` is no step."""
    if start_s is not None:
        check_number("start_s", start_s, 0, example=1.5)
    if end_s is not None:
        check_number("end_s", end_s, 0, example=1.5)
    if start_s is not None and end_s is not None and end_s <= start_s:
        raise UsageError(f"end must lie after start: {start_s:g} s to {end_s:g} s: swap them")
    check_number("every", every, 1, example=2)
