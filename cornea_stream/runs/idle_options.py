"""Options that only change something together with another one; alone they are refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cornea_stream.errors import UsageError
from cornea_stream.media.address import Address
from cornea_stream.media.overlay import OverlayStyle
from cornea_stream.sinks.encoder import DEFAULT_CODEC
from cornea_stream.sources.stills import holds_images, is_still

if TYPE_CHECKING:
    from cornea_stream.runs.options import RunOptions


def check_idle_options(options: RunOptions) -> None:
    """Raise UsageError for an option without effect, since what it is for is not written."""
    if not _paints(options):
        _refuse(_look(options), "overlays: write one with overlay=True")
    if not (options.overlay and _has_videos(options)):
        _refuse(_encoding(options), "the overlay video: write it with overlay=True")
    if not options.frames:
        _refuse(_naming(options), "the PNGs of every frame: write them with frames=True")
    if not options.files:
        _refuse(_filed(options), "files: write them too")


def check_idle_for(options: RunOptions, sources: Sequence[Path | Address]) -> None:
    """Raise UsageError for an option that no source of a command has a use for."""
    for_videos, encoding = _for_videos(options), _encoding(options)
    if for_videos and all(map(_is_images, sources)):
        _refuse(for_videos, f"videos: {_named(sources)}: choose a video")
    # A stream carries a video of one frame, too.
    if encoding and not options.streams and all(map(_is_still, sources)):
        _refuse(encoding, f"videos: {_named(sources)}: choose a video")


def _is_images(source: Path | Address) -> bool:
    return isinstance(source, Path) and (source.is_dir() or holds_images(source))


def _is_still(source: Path | Address) -> bool:
    return isinstance(source, Path) and is_still(source)


def _named(sources: Sequence[Path | Address]) -> str:
    return str(sources[0]) if len(sources) == 1 else f"none among {len(sources)} sources"


def _refuse(given: list[str], purpose: str) -> None:
    if given:
        raise UsageError(f"{given[0]} is for {purpose}, or leave it out")


def _has_videos(options: RunOptions) -> bool:
    return options.files or bool(options.streams)


def _paints(options: RunOptions) -> bool:
    """Whether anything is painted: overlays as a video, as PNGs of frames, or in the preview."""
    in_frames = options.files and options.frames and options.frame_overlays
    in_video = options.overlay and _has_videos(options)
    return in_video or in_frames or options.preview is not None


def _look(options: RunOptions) -> list[str]:
    usual = OverlayStyle(contour=options.contour)
    given = {
        "contour": options.contour,
        "opacity": options.opacity != usual.share,
        "color": options.style.rgb != usual.rgb,
        "label=False": not options.label,
    }
    return [name for name, is_given in given.items() if is_given]


def _encoding(options: RunOptions) -> list[str]:
    given = {
        "codec": options.codec != DEFAULT_CODEC,
        "crf": options.crf is not None,
        "preset": options.preset is not None,
    }
    return [name for name, is_given in given.items() if is_given]


def _for_videos(options: RunOptions) -> list[str]:
    given = {"video_track": options.video_track is not None, "decoder": options.decoder == "nvdec"}
    return [name for name, is_given in given.items() if is_given]


def _naming(options: RunOptions) -> list[str]:
    given = {
        "name_by": options.name_by != "number",
        "frame_masks=False": not options.frame_masks,
        "frame_overlays=False": not options.frame_overlays,
    }
    return [name for name, is_given in given.items() if is_given]


def _filed(options: RunOptions) -> list[str]:
    # With streams, the mask may be what is sent, and the other files have a message of their own.
    outputs = ["mask", "frames", "metrics", "parquet", "polygons"] if not options.streams else []
    return [name for name in (*outputs, "resume") if getattr(options, name)]
