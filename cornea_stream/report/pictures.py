"""The videos and images a page shows: overlay, original, and thumbnails of single moments."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import av
import cv2
import numpy as np

from cornea_stream.errors import SourceError
from cornea_stream.media.frame import Image
from cornea_stream.report.records import Records
from cornea_stream.report.runs import Run
from cornea_stream.report.stills import frames_at, zero_of
from cornea_stream.sources.containers import open_media
from cornea_stream.sources.dicom import is_dicom
from cornea_stream.sources.fingerprint import fingerprint

# What Chromium, Firefox or Safari can play; the page handles browsers that cannot.
_CONTAINERS = frozenset({"mp4", "mov", "webm", "matroska", "ogg"})
_CODECS = frozenset({"h264", "hevc", "av1", "vp8", "vp9", "theora"})
_H264_PIXELS = frozenset({"yuv420p", "yuvj420p"})
_IMAGES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".webp"})
_JPEG_QUALITY = 72


@dataclass(frozen=True, slots=True)
class Picture:
    """A video or image: its path, its URL, and the source time at its time 0."""

    path: Path
    url: str
    zero_s: float = 0.0


@dataclass(slots=True)
class Pictures:
    """What the page shows; each of `notes` says what it cannot show and why."""

    still: bool
    overlay: Picture | None = None
    original: Picture | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def shown(self) -> Picture | None:
        """The video or image that the page is synchronized to."""
        return self.overlay or self.original


def choose_pictures(run: Run, records: Records) -> Pictures:
    """Find the overlay and the original of a run, if a browser can show them."""
    overlay = run.find("overlay.mp4", "overlay.png")
    kind = run.source.get("kind")
    still = kind == "image" or (overlay is not None and overlay.suffix == ".png")
    found = Pictures(still)
    if overlay is None:
        found.notes.append("The run has no overlay.")
    else:
        try:
            zero_s = 0.0 if still else zero_of(overlay, float(records.time_s[0]))
            found.overlay = Picture(overlay, address(run.folder, overlay), zero_s)
        except SourceError:
            found.notes.append(f"{overlay.name} cannot be played.")
    original = Path(str(run.source.get("path")))
    obstacle = _obstacle(run, original, still)
    if obstacle:
        alone = "; the overlay is shown alone" if found.overlay else ""
        found.notes.append(f"The original is not shown: {obstacle}{alone}.")
    else:
        begin_s = run.source.get("start_time_s") or 0.0
        found.original = Picture(original, address(run.folder, original), 0.0 - begin_s)
    return found


def address(folder: Path, path: Path) -> str:
    """Return the URL of `path` for a page in `folder`, relative if possible."""
    try:
        relative = os.path.relpath(path.resolve(), folder.resolve())
    except ValueError:  # another drive
        return path.resolve().as_uri()
    # Without "./", a name like "a:b.mp4" would be read as a protocol.
    return "./" + quote(os.fsencode(Path(relative).as_posix()))


def thumbnails(picture: Picture, times_s: Sequence[float]) -> list[str | None]:
    """Return the frames of a video shown at these source times, as data URIs.

    A frame that cannot be decoded is None.
    """
    images = frames_at(picture.path, times_s, picture.zero_s)
    return [None if image is None else _jpeg(image) for image in images]


def _obstacle(run: Run, original: Path, still: bool) -> str | None:
    """Return why a page cannot show the original, or None if it can."""
    if not run.source:
        return "the run did not finish, so its source is unknown"
    if run.source.get("kind") == "images":
        return "it is a folder of images, not a video"
    if not run.source.get("path"):
        return "the source was a stream"
    if not original.is_file():
        return "it has been moved or deleted since the run"
    if run.record.get("fingerprint") != fingerprint(original):
        return "the file has changed since the run"
    if still:
        return None if original.suffix.lower() in _IMAGES else "browsers do not show this format"
    return _unplayable(original)


def _unplayable(path: Path) -> str | None:
    if is_dicom(path):
        return "browsers do not play DICOM files"
    try:
        with open_media(path) as container:
            stream = container.streams.video[0]
            codec = stream.codec_context.name
            names = container.format.name.split(",")
            pixels = stream.pix_fmt
    except (SourceError, av.error.FFmpegError, IndexError):
        return "it cannot be read"
    if _CONTAINERS.isdisjoint(names) or codec not in _CODECS:
        return f"browsers do not play {codec} in {path.suffix or 'this container'}"
    if codec == "h264" and pixels not in _H264_PIXELS:
        return f"browsers do not play H.264 with {pixels} pixels"
    return None


def _jpeg(rgb: Image) -> str:
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()
