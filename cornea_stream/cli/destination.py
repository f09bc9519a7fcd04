"""Where outputs go: a folder, and the targets of streams."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import typer

from cornea_stream.batch.discover import VIDEO_SUFFIXES
from cornea_stream.cli.panels import Outputs, Streams
from cornea_stream.errors import OutputError, UsageError
from cornea_stream.sinks.stream.target import StreamTarget, is_target, parse_target
from cornea_stream.sources import is_image

_DEFAULT = "output"


@dataclass(frozen=True)
class Destination:
    """The output folder, whether files go there, and the targets of streams."""

    folder: Path
    has_files: bool
    streams: tuple[StreamTarget, ...]


def choose_destination(outputs: Outputs, streams: Streams) -> Destination:
    """Return where outputs go. Raises BadParameter, UsageError and OutputError.

    A stream alone leaves no files; beside a folder, both are written.
    """
    named = outputs.output_dir or []
    published = streams.publish or []
    for address in published:
        if not is_target(address) or address == "-":
            raise typer.BadParameter(f"--publish takes an address, not {address}: try -o {address}")
    if "-" not in named and streams.stream_format != Streams.stream_format:
        raise typer.BadParameter("--stream-format is for standard output: add -o -")
    targets = [*(name for name in named if is_target(name)), *published]
    folders = [name for name in named if not is_target(name)]
    if len(folders) > 1 or len({*named, *published}) < len(named) + len(published):
        raise typer.BadParameter("-o takes one folder, and every stream once: leave out the others")
    for folder in folders:
        _check_folder(folder)
    return Destination(
        Path(folders[0] if folders else _DEFAULT),
        bool(folders) or not targets,
        tuple(parse_target(target, streams.stream_format) for target in targets),
    )


def _check_folder(name: str) -> None:
    """Refuse a file's name for the folder."""
    path = Path(name)
    if path.is_file():
        raise OutputError(f"-o takes a folder, not a file: {name}: try -o {path.stem}")
    if not path.exists() and (path.suffix.lower() in VIDEO_SUFFIXES or is_image(path)):
        raise UsageError(
            f"-o takes a folder, not a file: {name}: try -o {path.stem}, where the video will be "
            "overlay.mp4"
        )
