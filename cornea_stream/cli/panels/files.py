"""Outputs and reading: which frames are read, and what is written."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import typer

from cornea_stream.cli import help as panels
from cornea_stream.cli import options as opt
from cornea_stream.cli.help import MOST_USED

_FRAME_KINDS = ("masks", "overlays")


@dataclass(frozen=True)
class Outputs:
    """What is written, and where."""

    PANEL: ClassVar[str] = panels.OUTPUTS

    output_dir: Annotated[
        list[str] | None,
        typer.Option(
            "--output-dir",
            "-o",
            help="Folder for the outputs, or - for a video on standard output.",
            metavar="DIR",
            show_default="output",
            rich_help_panel=MOST_USED,
        ),
    ] = None
    mask: Annotated[
        bool,
        typer.Option(
            "--mask",
            help="Write mask.mkv: lossless video, 255 on the cornea.",
            rich_help_panel=MOST_USED,
        ),
    ] = False
    save_frames: Annotated[
        str | None,
        typer.Option(
            "--save-frames",
            "--frames",
            help="Write PNGs of every frame: masks, overlays or (by default) both.",
            metavar="[KINDS]",
            rich_help_panel=MOST_USED,
        ),
    ] = None
    metrics: Annotated[
        bool,
        typer.Option(
            "--metrics",
            help="Write metrics.csv: measurements, a row per frame.",
            rich_help_panel=MOST_USED,
        ),
    ] = False
    report: Annotated[
        bool,
        typer.Option(
            "--report",
            help="Write report.html, the run as a page, and metrics.csv.",
            rich_help_panel=MOST_USED,
        ),
    ] = False
    overlay: Annotated[bool, typer.Option("--overlay/--no-overlay", help="Write overlay.mp4.")] = (
        True
    )
    summary: Annotated[
        bool,
        typer.Option("--summary", help="Write summary.png, the run as a figure, and metrics.csv."),
    ] = False
    jsonl: Annotated[
        str | None,
        typer.Option(
            help="Write a line of JSON per frame as it is done; - is standard output.",
            metavar="FILE|-",
        ),
    ] = None
    parquet: Annotated[
        bool, typer.Option("--parquet", help="Write metrics.parquet: the table of --metrics.")
    ] = False
    polygons: Annotated[
        bool, typer.Option("--polygons", help="Write polygons.jsonl: contours of every mask.")
    ] = False
    name_by: Annotated[
        str, typer.Option(help="Name the PNGs by frame number or by time.", metavar="number|time")
    ] = "number"
    white_to_white: Annotated[
        float | None,
        typer.Option(
            help="Estimate millimeters from this corneal diameter (mean of adults: 11.7).",
            metavar="MM",
        ),
    ] = None
    mm_per_px: Annotated[
        float | None, typer.Option(help="Pixel size (height) in millimeters.", metavar="MM")
    ] = None
    codec: Annotated[
        str,
        typer.Option(help="FFmpeg encoder of overlay.mp4; auto tries NVENC first.", metavar="NAME"),
    ] = "libx264"
    crf: Annotated[
        float | None,
        typer.Option(
            help="Encoder quality; lower is better.", metavar="N", show_default="22 for libx264"
        ),
    ] = None
    preset: Annotated[
        str | None,
        typer.Option(
            help="Speed preset of the encoder.",
            metavar="NAME",
            show_default="superfast for libx264",
        ),
    ] = None

    def run_options(self) -> dict[str, Any]:
        """Return the arguments of `RunOptions`."""
        kinds = self._frame_kinds()
        return {
            "overlay": self.overlay,
            "mask": self.mask,
            "frames": bool(kinds),
            "frame_masks": "masks" in kinds or not kinds,
            "frame_overlays": "overlays" in kinds or not kinds,
            "name_by": self.name_by,
            "metrics": self.metrics,
            "parquet": self.parquet,
            "polygons": self.polygons,
            "jsonl": self.jsonl,
            "summary": self.summary,
            "report": self.report,
            "white_to_white_mm": self.white_to_white,
            "mm_per_px": self.mm_per_px,
            "codec": self.codec,
            "crf": self.crf,
            "preset": self.preset,
        }

    def _frame_kinds(self) -> list[str]:
        kinds = [kind.strip() for kind in (self.save_frames or "").split(",") if kind.strip()]
        for kind in kinds:
            if kind not in _FRAME_KINDS:
                raise typer.BadParameter(f"--save-frames: {kind}: use masks, overlays or both")
        return kinds


@dataclass(frozen=True)
class Reading:
    """Which frames are read, and how."""

    PANEL: ClassVar[str] = panels.INPUT

    start: Annotated[
        str | None,
        typer.Option(
            help="Start time: 90, 90s, 1m30s, 1:30.", metavar="TIME", rich_help_panel=MOST_USED
        ),
    ] = None
    end: Annotated[
        str | None,
        typer.Option(help="End time (exclusive).", metavar="TIME", rich_help_panel=MOST_USED),
    ] = None
    stride: Annotated[
        int,
        typer.Option("--stride", "--every", help="Process only every N-th frame.", metavar="N"),
    ] = 1
    video_track: opt.VideoTrack = None
    decoder: opt.Decoder = "auto"
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at damage instead of skipping it.")
    ] = False
    max_megapixels: Annotated[
        float, typer.Option(help="Maximum frame size in megapixels.", metavar="N")
    ] = 64
    keep_metadata: Annotated[
        bool,
        typer.Option(
            "--keep-metadata",
            help="Copy all metadata to overlay.mp4 and run.json, also places and names.",
        ),
    ] = False

    def run_options(self) -> dict[str, Any]:
        """Return the arguments of `RunOptions`. Raises UsageError for wrong times."""
        from cornea_stream.media.times import parse_time

        return {
            "start_s": None if self.start is None else parse_time(self.start),
            "end_s": None if self.end is None else parse_time(self.end),
            "every": self.stride,
            "video_track": self.video_track,
            "decoder": self.decoder,
            "strict": self.strict,
            "max_megapixels": self.max_megapixels,
            "keep_metadata": self.keep_metadata,
        }
