"""What is carried from the metadata of a source to the overlay: nothing that names people."""

from __future__ import annotations

from av.container import InputContainer
from av.video.stream import VideoStream

_CARRIED = ("title", "creation_time", "timecode")
_OF_THE_FILE = ("compatible_brands", "encoder", "major_brand", "minor_version")


def carried(
    container: InputContainer, stream: VideoStream, *, everything: bool = False
) -> tuple[tuple[str, str], ...]:
    """Return title, creation time and timecode, or `everything`, as far as it is readable text."""
    given = {name.lower(): value for name, value in container.metadata.items()}
    for other in (stream, *container.streams):  # QuickTime has a track for the timecode
        for name, value in other.metadata.items():
            if name.lower() == "timecode":
                given.setdefault("timecode", value)
    names = [name for name in given if name not in _OF_THE_FILE] if everything else _CARRIED
    return tuple((name, given[name]) for name in names if _is_text(given.get(name)))


def _is_text(value: str | None) -> bool:
    return bool(value) and "\ufffd" not in str(value)
