"""The options of `run` in groups, each of which knows what it means to the library.

Annotations are not postponed here: compiling them again from text would slow down every start.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from cornea_stream.cli import help as panels
from cornea_stream.cli import options as opt
from cornea_stream.cli.help import MOST_USED
from cornea_stream.cli.settings_file import read_config

if TYPE_CHECKING:
    from cornea_stream.batch.task import Setup

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


@dataclass(frozen=True)
class Masks:
    """How the network's output becomes a mask."""

    PANEL: ClassVar[str] = panels.MASKS

    threshold: opt.Threshold = 0.5
    raw_mask: opt.RawMask = False


@dataclass(frozen=True)
class Weights:
    """Which weights, and what those of other trainers do not say themselves."""

    PANEL: ClassVar[str] = panels.ENGINE

    checkpoint: opt.Checkpoint = None
    input_size: opt.InputSize = None
    input_normalization: opt.InputNormalization = None
    class_index: opt.ClassIndex = None


@dataclass(frozen=True)
class Engine:
    """What computes the masks."""

    PANEL: ClassVar[str] = panels.ENGINE

    device: opt.Device = "auto"
    backend: opt.Backend = "auto"
    precision: opt.Precision = "auto"
    calibration_data: opt.CalibrationData = None

    def setup(
        self, weights: Weights, masks: Masks, *, batch_size: int | None = None, smooth: bool = False
    ) -> "Setup":
        """Return the arguments of a segmenter."""
        from cornea_stream.batch.task import Setup

        return Setup(
            weights.checkpoint,
            device=self.device,
            backend=self.backend,
            precision=self.precision,
            calibration=self.calibration_data,
            batch_size=batch_size,
            threshold=masks.threshold,
            raw=masks.raw_mask,
            smooth=smooth,
            input_size=weights.input_size,
            input_normalization=weights.input_normalization,
            class_index=weights.class_index,
        )


@dataclass(frozen=True)
class Throughput:
    """How frames pass through the network together."""

    PANEL: ClassVar[str] = panels.ENGINE

    batch_size: Annotated[
        str, typer.Option(help="Frames per inference batch: auto or a number.", metavar="N")
    ] = "auto"
    smooth: Annotated[
        bool,
        typer.Option(
            "--smooth",
            help="Smooth the masks over time, without lag.",
            rich_help_panel=panels.MASKS,
        ),
    ] = False

    def frames(self) -> int | None:
        """Return the batch size; None for auto."""
        if self.batch_size == "auto":
            return None
        if not (self.batch_size.isascii() and self.batch_size.isdigit()) or self.batch_size == "0":
            raise typer.BadParameter(
                f"{self.batch_size!r} is neither auto nor a positive number: try auto"
            )
        return int(self.batch_size)


@dataclass(frozen=True)
class Look:
    """How the overlay is painted."""

    PANEL: ClassVar[str] = panels.DISPLAY

    contour: Annotated[
        bool,
        typer.Option(
            "--contour/--fill",
            help="Draw the outline instead of filling the cornea.",
            rich_help_panel=MOST_USED,
        ),
    ] = False
    thickness: Annotated[
        int | None,
        typer.Option(
            help="Thickness of the outline in pixels.", metavar="N", show_default="by frame height"
        ),
    ] = None
    opacity: Annotated[
        float | None,
        typer.Option(
            help="Opacity of the overlay, 0 to 1.",
            metavar="P",
            show_default="0.5, of an outline 1",
        ),
    ] = None
    color: Annotated[str, typer.Option(help="A name, '#rgb' or '#rrggbb'.", metavar="COLOR")] = (
        "green"
    )
    label: Annotated[bool, typer.Option("--label/--no-label", help="Draw the legend.")] = True

    def style(self) -> dict[str, Any]:
        """Return the arguments of `RunOptions` and `snapshot`."""
        return {
            "contour": self.contour,
            "thickness": self.thickness,
            "opacity": self.opacity,
            "color": self.color,
            "label": self.label,
        }


@dataclass(frozen=True)
class Streams:
    """Live sources, published videos and the preview."""

    PANEL: ClassVar[str] = panels.STREAMS

    preview: Annotated[
        bool,
        typer.Option(
            "--preview",
            help="Show the overlay in the browser during the run.",
            rich_help_panel=MOST_USED,
        ),
    ] = False
    publish: Annotated[
        list[str] | None,
        typer.Option(help="Send the overlay to rtsp://, rtmp:// or udp://.", metavar="URL"),
    ] = None
    live: Annotated[
        bool | None,
        typer.Option(
            "--live/--no-live",
            help="Drop frames if the source is faster than inference.",
            show_default="for rtsp, rtmp, udp and cameras",
        ),
    ] = None
    realtime: Annotated[
        bool | None,
        typer.Option(
            "--realtime/--no-realtime",
            help="Read files no faster than real time.",
            show_default="with --publish",
        ),
    ] = None
    reconnect_timeout: Annotated[
        str, typer.Option(help="How long to keep reconnecting to a live source.", metavar="TIME")
    ] = "30"
    stream_format: Annotated[
        str,
        typer.Option(help="Container on standard output.", metavar="matroska|mpegts"),
    ] = "matroska"
    preview_port: Annotated[
        int, typer.Option(help="Port of the preview.", metavar="N", show_default="any")
    ] = 0
    preview_host: Annotated[
        str, typer.Option(help="Host name or address to serve the preview on.", metavar="HOST")
    ] = "127.0.0.1"

    def run_options(self) -> dict[str, Any]:
        """Return the arguments of `RunOptions`. Raises UsageError for a wrong time."""
        from cornea_stream.media.times import parse_time
        from cornea_stream.sinks import PreviewSettings

        return {
            "live": self.live,
            "reconnect_s": parse_time(self.reconnect_timeout),
            "realtime": self.realtime,
            "preview": PreviewSettings(self.preview_host, self.preview_port)
            if self.preview
            else None,
        }


@dataclass(frozen=True)
class ManyVideos:
    """How many sources, or long ones, are dealt over processes and machines."""

    PANEL: ClassVar[str] = panels.MANY_VIDEOS

    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Skip complete outputs and redo the others.",
            rich_help_panel=MOST_USED,
        ),
    ] = False
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            help="Number of videos or chunks to process in parallel.",
            metavar="N",
            show_default="one per GPU, else 1",
        ),
    ] = None
    chunk: Annotated[
        str | None,
        typer.Option(
            "--chunk",
            "--segment",
            help="Cut long videos into chunks of this length, such as 5m, and join them.",
            metavar="TIME",
        ),
    ] = None
    ray: Annotated[
        str | None, typer.Option(help="Use a Ray cluster: HOST:PORT or auto.", metavar="ADDRESS")
    ] = None
    ray_cores: Annotated[
        int, typer.Option(min=1, help="Cores per video on Ray nodes without GPUs.", metavar="N")
    ] = 8


@dataclass(frozen=True)
class Terminal:
    """What is printed."""

    PANEL: ClassVar[str] = panels.DISPLAY

    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace existing outputs.", rich_help_panel=MOST_USED),
    ] = False
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print what a run would do, and how long it would take.",
            rich_help_panel=MOST_USED,
        ),
    ] = False
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            help="Read options from a TOML file, as the command config prints it.",
            metavar="FILE",
            rich_help_panel=MOST_USED,
            is_eager=True,
            callback=read_config,
        ),
    ] = None
    quiet: opt.Quiet = False
    verbose: opt.Verbose = False
    json_: opt.Json = False
