"""The options of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cornea_stream.errors import (
    UsageError,
    check_flag,
    check_number,
    check_text,
    require,
    wrong_type,
)
from cornea_stream.media.color import Color, hex_color
from cornea_stream.media.overlay import OverlayStyle
from cornea_stream.media.times import optional_seconds
from cornea_stream.postprocess.pixel_spacing import check_scale
from cornea_stream.runs.idle_options import check_idle_options
from cornea_stream.sinks import (
    EncoderSettings,
    FramePngs,
    PreviewSettings,
    StreamTarget,
    check_container,
    check_encoder,
    check_encoder_types,
)
from cornea_stream.sinks.encoder import DEFAULT_CODEC
from cornea_stream.sinks.lines import STDOUT
from cornea_stream.sources import check_decoder
from cornea_stream.sources.containers import MAX_MEGAPIXELS
from cornea_stream.sources.live import RECONNECT_S
from cornea_stream.sources.read_options import ReadOptions

_FLAGS = (
    "overlay", "mask", "frames", "metrics", "parquet", "polygons", "summary", "report", "strict",
    "overwrite", "resume", "files", "frame_masks", "frame_overlays", "keep_metadata",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The outputs and settings of a run; times are in seconds of the source.

    `live` drops all but the newest frame while inference is busy; None applies it to sources
    without an end. `reconnect_s` is the time to keep reconnecting. `streams` receive the overlay,
    or the mask without `overlay`, during the run. Without `files`, nothing is written to disk.
    `realtime` reads no faster than the recording plays; None applies it if a stream goes to the
    network. `preview` serves a page with the newest overlay during the run. `summary` and
    `report` turn on `metrics`. `frame_masks` and `frame_overlays` choose the PNGs of `frames`, and
    `name_by`, number or time, names them. `jsonl` is a file, - for standard output, or a file
    descriptor that gets a line of JSON per frame, at once. `color`, `opacity`, `contour`,
    `thickness` and `label` style the overlay as `OverlayStyle` says. Times can also be text such as
    "1:30".
    """

    overlay: bool = True
    mask: bool = False
    frames: bool = False
    frame_masks: bool = True
    frame_overlays: bool = True
    name_by: str = "number"
    metrics: bool = False
    parquet: bool = False
    polygons: bool = False
    jsonl: str | Path | int | None = None
    summary: bool = False
    report: bool = False
    white_to_white_mm: float | None = None
    mm_per_px: float | None = None
    opacity: float | None = None
    color: Color = "green"
    contour: bool = False
    thickness: int | None = None
    label: bool = True
    codec: str = DEFAULT_CODEC
    crf: float | None = None
    preset: str | None = None
    start_s: float | str | None = None
    end_s: float | str | None = None
    every: int = 1
    strict: bool = False
    max_megapixels: float = MAX_MEGAPIXELS
    video_track: int | None = None
    keep_metadata: bool = False
    live: bool | None = None
    reconnect_s: float = RECONNECT_S
    decoder: str = "auto"
    overwrite: bool = False
    resume: bool = False
    streams: tuple[StreamTarget, ...] = ()
    files: bool = True
    realtime: bool | None = None
    preview: PreviewSettings | None = None

    def __post_init__(self) -> None:
        """Raise UsageError for numbers out of range and unknown colors."""
        if self.summary or self.report:
            object.__setattr__(self, "metrics", True)
        check_scale(self.white_to_white_mm, self.mm_per_px)
        object.__setattr__(self, "color", hex_color(self.color))
        object.__setattr__(self, "opacity", self.style.share)
        check_encoder_types(self.codec, self.crf, self.preset)
        reading = self.reading
        object.__setattr__(self, "start_s", reading.start_s)
        object.__setattr__(self, "end_s", reading.end_s)
        object.__setattr__(self, "every", int(self.every))
        if not (isinstance(self.streams, tuple) and all(map(_is_target, self.streams))):
            raise wrong_type("streams", self.streams, "a tuple of StreamTarget")
        if not isinstance(self.preview, PreviewSettings | None):
            raise wrong_type("preview", self.preview, "PreviewSettings() or None")
        for name in ("live", "realtime"):
            if getattr(self, name) is not None:
                check_flag(name, getattr(self, name))
        for name in _FLAGS:
            check_flag(name, getattr(self, name))
        if not isinstance(self.jsonl, str | Path | int | None) or isinstance(self.jsonl, bool):
            raise wrong_type("jsonl", self.jsonl, "a path, - for standard output, or None")
        _ = self.frame_pngs
        check_text("decoder", self.decoder, "auto, cpu or nvdec")
        check_number("reconnect_s", self.reconnect_s, 0, example=RECONNECT_S)

    def check(self) -> EncoderSettings:
        """Check the combination of options and try the encoder. Raises UsageError."""
        if not (self.makes_files or self.is_watched):
            raise UsageError(
                "nothing to write: choose overlay=True, mask=True, frames=True, metrics=True, "
                f"polygons=True or jsonl=FILE{'' if self.files else ', or leave out files=False'}"
            )
        check_idle_options(self)
        if (self.white_to_white_mm or self.mm_per_px) and not (self.metrics or self.parquet):
            raise UsageError("millimeters without a table: add metrics=True or parquet=True")
        if self.parquet:
            require("pyarrow", "parquet", "metrics.parquet")
        if self.summary:
            require("matplotlib", "plots", "summary.png")
        if self.streams:
            self._check_streams()
        if self.jsonl == STDOUT and any(target.is_pipe for target in self.streams):
            raise UsageError("standard output takes a video or lines, not both: use jsonl=FILE")
        check_decoder(self.decoder)
        encoder = check_encoder(self.codec, self.crf, self.preset)
        if self.overlay:
            files = ["mp4"] if self.files else []
            for container in {*files, *(target.container for target in self.streams)}:
                check_container(encoder, container)
        return encoder

    @property
    def style(self) -> OverlayStyle:
        """How the overlay is painted. Raises UsageError."""
        return OverlayStyle(self.color, self.opacity, self.contour, self.thickness, self.label)

    @property
    def reading(self) -> ReadOptions:
        """Which frames are read. Raises UsageError."""
        return ReadOptions(
            optional_seconds("start_s", self.start_s),
            optional_seconds("end_s", self.end_s),
            self.every,
            self.strict,
            self.max_megapixels,
            self.video_track,
            self.keep_metadata,
        )

    @property
    def frame_pngs(self) -> FramePngs:
        """Which PNGs of frames are written. Raises UsageError."""
        return FramePngs(self.frame_masks, self.frame_overlays, self.name_by)

    @property
    def is_watched(self) -> bool:
        """Whether the run is watched live; it then stays in one piece and in this process."""
        return bool(self.streams or self.preview or self.jsonl is not None)

    @property
    def makes_files(self) -> bool:
        """Whether files other than run.json are written to the output folder."""
        return self.files and any(
            (self.overlay, self.mask, self.frames, self.metrics, self.parquet, self.polygons)
        )

    @property
    def paced(self) -> bool:
        """Whether to read no faster than the recording plays."""
        if self.realtime is None:
            return any(not target.is_pipe for target in self.streams)
        return self.realtime

    def _check_streams(self) -> None:
        if not (self.overlay or self.mask):
            raise UsageError(
                "nothing to stream: leave out overlay=False, or add mask=True to send the mask"
            )
        only_files = (self.frames, self.metrics, self.parquet, self.polygons)
        if not self.files and (any(only_files) or (self.overlay and self.mask)):
            raise UsageError(
                "a stream carries one video and no files: leave out mask, frames and tables, "
                "name an output folder too, or send the mask alone with overlay=False"
            )
        if not self.overlay and any(target.container != "matroska" for target in self.streams):
            raise UsageError("masks can only be streamed to standard output as matroska: use -")


def _is_target(stream: object) -> bool:
    return isinstance(stream, StreamTarget)
