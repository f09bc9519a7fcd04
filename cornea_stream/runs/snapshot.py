"""Single frames of a video: the frame shown at a time, with mask and overlay, as PNGs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from os import PathLike
from pathlib import Path

from cornea_stream.errors import (
    OutputError,
    SourceError,
    UsageError,
    check_flag,
    check_path,
    check_text,
    is_real,
    wrong_type,
)
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.class_name import CLASS_NAME
from cornea_stream.media.color import Color
from cornea_stream.media.frame import source_name
from cornea_stream.media.overlay import OverlayStyle, paint_rgb
from cornea_stream.media.times import as_seconds
from cornea_stream.runs.arguments import checked_segmenter
from cornea_stream.sinks.png import write_png
from cornea_stream.sources import VideoSource
from cornea_stream.sources.open import open_reading
from cornea_stream.sources.read_options import ReadOptions
from cornea_stream.storage import output_errors


def files(class_name: str = CLASS_NAME) -> tuple[str, str, str, str]:
    """Return the names of a snapshot's files; the second mask is named after its structure."""
    return "original.png", "mask.png", f"{class_name}.png", "overlay.png"


def is_snapshot(folder: Path) -> bool:
    """Whether a folder holds the files of a snapshot."""
    original, mask, _, overlay = files()
    return all((folder / name).is_file() for name in (original, mask, overlay))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One extracted frame: its time, the folder with its files, and the result."""

    asked_s: float
    time_s: float
    folder: Path
    present: bool
    confidence: float


def snapshot(
    video: str | PathLike[str],
    times_s: float | str | Iterable[float | str],
    output_dir: str | PathLike[str] = "output",
    segmenter: Segmenter | Callable[[], Segmenter] | None = None,
    *,
    color: Color = "green",
    opacity: float | None = None,
    contour: bool = False,
    thickness: int | None = None,
    label: bool = True,
    overwrite: bool = False,
    video_track: int | None = None,
    class_name: str = CLASS_NAME,
) -> list[Snapshot]:
    """Write original.png, mask.png and overlay.png of the frames shown at `times_s`.

    Each goes into `output_dir`/<name of the video>/<time asked for>s. Cornea.png is the mask under
    the name that it has in the published pipeline; with weights for another structure, it is named
    after that. A time is seconds or a text such as "1:30". None as `segmenter` makes one; it can
    also be a function that loads one for `class_name`, which is called once all else is checked.
    `video_track` numbers the video streams from 0; None takes the main one.
    Nothing is written unless every time exists in the video.
    Raises UsageError for a time outside the video, SourceError, and OutputError.
    """
    check_flag("overwrite", overwrite)
    check_text("class_name", class_name, "the name of the structure, such as Cornea")
    reading = ReadOptions(video_track=video_track)
    style = OverlayStyle(color, opacity, contour, thickness, label)
    check_path("output_dir", output_dir, "the path of a folder")
    if segmenter is None or not callable(segmenter) or isinstance(segmenter, Segmenter):
        segmenter = checked_segmenter(segmenter)
        class_name = segmenter.class_name
    names = files(class_name)
    wanted = list(dict.fromkeys(_seconds(times_s)))
    check_path("video", video, "the path of a video")
    root = Path(output_dir) / source_name(Path(video))
    folders = [root / f"{time_s:.3f}s" for time_s in wanted]
    if len(set(folders)) < len(folders):
        raise UsageError("timestamps are less than a millisecond apart: leave one of them out")
    for file in (folder / name for folder in folders for name in names):
        if file.exists() and not overwrite:
            raise OutputError(
                f"output exists: {file}: pass overwrite=True or choose another output folder"
            )
    with open_reading(video, reading) as source:
        if not isinstance(source, VideoSource):
            raise SourceError(
                f"not a video: {video}: give a video, or use: cornea-stream run {video}"
            )
        frames = [source.frame_at(time_s) for time_s in wanted]
    loaded = segmenter if isinstance(segmenter, Segmenter) else segmenter()
    results = []
    for time_s, folder, frame in zip(wanted, folders, frames, strict=True):
        found = loaded(frame)
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        images = (frame.rgb(), found.mask, found.mask, paint_rgb(found, style))
        for name, image in zip(names, images, strict=True):
            write_png(folder / name, image)
        results.append(Snapshot(time_s, frame.time_s, folder, found.present, found.confidence))
    return results


def _seconds(times: object) -> Iterator[float]:
    """Yield one or several times in seconds. Raises UsageError."""
    if is_real(times) or isinstance(times, str | timedelta):
        times = [times]
    if not isinstance(times, Iterable):
        raise wrong_type("times_s", times, "seconds, or a list of them")
    for time in times:
        yield as_seconds("times_s", time)
