"""Opening files with FFmpeg: only local files, one clear error each."""

from __future__ import annotations

from pathlib import Path

import av
from av.container import InputContainer

from cornea_stream.errors import SourceError


def open_media(path: Path) -> InputContainer:
    """Open a local media file for reading.

    Nothing but the file itself is opened: a playlist cannot reach other files or the network.
    Raises SourceError, naming the file and the cause.
    """
    if not path.exists():
        raise SourceError(f"input not found: {path}: check the path")
    if path.is_file() and path.stat().st_size == 0:
        raise SourceError(f"input is empty (0 bytes): {path}: copy the recording again")
    try:
        # `file:` keeps names like "a:b.mp4" from being read as a protocol.
        return av.open(f"file:{path}", options={"protocol_whitelist": "file"})
    except PermissionError as err:
        raise SourceError(f"input may not be read: {path}: check its permissions") from err
    except (av.error.FFmpegError, OSError, ValueError) as err:
        raise SourceError(
            f"not a readable video or image: {path}: {reason(err)}: the file is of another type, "
            "or damaged (an mp4 whose recording was cut off lacks its index)"
        ) from err


def reason(err: BaseException) -> str:
    """Return FFmpeg's or the system's own words for what went wrong."""
    return str(getattr(err, "strerror", None) or err)
