"""Opens single local files with FFmpeg, within limits."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer

from cornea_stream.errors import SourceError, check_number
from cornea_stream.media.address import Address
from cornea_stream.sources.dicom import EmbeddedVideo, is_dicom, read_header

MAX_MEGAPIXELS = 64.0
"""Default limit of the frame size: 8K has 33 megapixels, a decompression bomb has billions."""
_FFMPEG_MEGAPIXELS = 2147  # FFmpeg's own limit, 2**31 pixels
# Formats that only refer to other files or addresses.
_POINTING_ELSEWHERE = frozenset(
    {"concat", "dash", "hls", "imf", "rtsp", "sdp", "vobsub", "webm_dash_manifest"}
)
# Formats that draw characters: FFmpeg takes any long text for one of them.
_TEXT_ART = frozenset({"adf", "bin", "idf", "tty", "xbin"})


_Stream = TypeVar("_Stream")


def open_media(
    path: Path, *, max_megapixels: float = MAX_MEGAPIXELS, hwaccel: HWAccel | None = None
) -> InputContainer:
    """Open a local media file for reading; frames above the size limit are not decoded.

    Only the file itself is opened; playlists are refused, whatever their names are.
    `hwaccel` decodes on a device.
    Raises SourceError with the file and the cause.
    """
    if not path.exists():
        raise SourceError(f"input not found: {path}: check the path")
    if path.is_file() and path.stat().st_size == 0:
        raise SourceError(f"input is empty (0 bytes): {path}: copy the recording again")
    limit = pixel_limit(max_megapixels)
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": self_contained_formats(),
        "pattern_type": "none",  # a name like %d.jpg means one file, not a series
    }
    in_dicom = is_dicom(path)
    if in_dicom and (rate := read_header(path).rate):
        options["framerate"] = str(rate)  # a raw stream has none of its own
    try:
        # `file:` keeps names like "a:b.mp4" from being read as a protocol. The limit is set here
        # too, because FFmpeg already decodes frames while it probes the file.
        opened: Any = EmbeddedVideo(path) if in_dicom else f"file:{path}"
        container: InputContainer = av.open(
            opened, "r", options=options | limit, hwaccel=hwaccel, metadata_errors="replace"
        )
    except PermissionError as err:
        raise SourceError(
            f"no permission to read the input: {path}: check its permissions"
        ) from err
    except (av.error.FFmpegError, OSError, ValueError) as err:
        raise SourceError(
            f"not a readable video or image: {path}: {_what_is_wrong(path, err)}"
        ) from err
    if in_dicom:
        for holder in (container, *container.streams):
            holder.metadata.clear()  # whatever the title says, it may name the patient
    limit_pictures(container, limit)
    return container


def _what_is_wrong(path: Path, err: Exception) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(1024)
    except OSError:
        head = b"\0"
    if b"\0" not in head and _is_utf8(head):
        return "it is a text (playlists are not followed): give a video, an image or a folder"
    return (
        f"{reason(err)}: copy it again (an mp4 that was cut off lacks its index), or convert it "
        "with the software of the recorder"
    )


def _is_utf8(head: bytes) -> bool:
    """Whether bytes are the beginning of a text, which may be cut within a character."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def limit_pictures(container: InputContainer, limit: dict[str, str]) -> None:
    """Make the decoders of `container` refuse frames above `pixel_limit`."""
    for stream in known(container.streams.video):
        stream.codec_context.options = dict(limit)


def known(streams: Iterable[_Stream]) -> list[_Stream]:
    """Return the streams whose codec this FFmpeg knows; for others, PyAV has no codec context."""
    return [stream for stream in streams if getattr(stream, "codec_context", None) is not None]


def check_size(width: int, height: int, path: Path | Address, max_megapixels: float) -> None:
    """Raise SourceError if frames of this size exceed the limit."""
    if width * height > 1e6 * max_megapixels:
        raise SourceError(
            f"frame too large: {path}: {width}x{height} is more than {max_megapixels:g} "
            "megapixels: if the size is real, raise max_megapixels"
        )


def reason(err: BaseException) -> str:
    """Return the error text of FFmpeg or the system."""
    return str(getattr(err, "strerror", None) or err)


def pixel_limit(max_megapixels: float) -> dict[str, str]:
    """Return the option that makes FFmpeg refuse larger frames. Raises UsageError."""
    limits = 0, _FFMPEG_MEGAPIXELS
    check_number("max_megapixels", max_megapixels, *limits, example=MAX_MEGAPIXELS, exclusive=True)
    return {"max_pixels": str(round(max_megapixels * 1e6))}


@cache
def self_contained_formats() -> str:
    """Return FFmpeg's whitelist of formats of pictures that do not refer to other files."""
    refused = _POINTING_ELSEWHERE | _TEXT_ART
    return ",".join(n for n in sorted(av.formats_available) if refused.isdisjoint(n.split(",")))
