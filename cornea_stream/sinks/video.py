"""Video files: the overlay (H.264 in mp4) and the mask (FFV1 gray in Matroska)."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream

from cornea_stream.colour import RGB
from cornea_stream.errors import OutputError, UsageError
from cornea_stream.frames import MediaInfo, Segmentation, as_stored
from cornea_stream.overlay import YuvPainter
from cornea_stream.sinks.audio import AudioCopy
from cornea_stream.sinks.files import complete, output_errors, part_path
from cornea_stream.sinks.remux import make_ordinary

# A process that is killed leaves a part file that plays: twice a second what is muxed goes to disk
# in a form that stands alone.
_SURVIVING = {
    ".mp4": {
        "movflags": "+frag_keyframe+delay_moov+default_base_moof",
        "frag_duration": "500000",  # microseconds
        "flush_packets": "1",
    },
    ".mkv": {"cluster_time_limit": "500", "flush_packets": "1"},  # milliseconds
}


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """How a video stream is encoded; `options` go to FFmpeg's encoder as they are."""

    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)


def check_encoder(
    codec: str, crf: float | None = None, preset: str | None = None
) -> EncoderSettings:
    """Return settings for an FFmpeg video encoder after a trial; None leaves its own default.

    libx264 gets crf 20 and preset veryfast where none are given.
    Raises UsageError when this build has no such encoder, or the encoder refuses an option.
    """
    if codec == "libx264":
        crf, preset = 20 if crf is None else crf, preset or "veryfast"
    given = {"crf": None if crf is None else f"{crf:g}", "preset": preset}
    options = {name: value for name, value in given.items() if value is not None}
    if codec == "libx265":
        options["x265-params"] = "log-level=error"  # else it writes its statistics to the terminal
    if codec == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")  # errors only, for the same reason
    settings = EncoderSettings(codec, "yuv420p", options)
    try:
        trial = av.CodecContext.create(codec, "w")
    except (av.codec.codec.UnknownCodecError, ValueError) as err:
        raise UsageError(
            f"unknown video encoder: {codec!r}: libx264, libx265 and libsvtav1 go well with mp4"
        ) from err
    if not isinstance(trial, av.VideoCodecContext):
        raise UsageError(f"not a video encoder: {codec!r}: try libx264")
    for option in options:
        if option not in {known.name for known in trial.supported_options.private}:
            raise UsageError(f"{codec} has no option --{option}: leave it out")
    trial.width, trial.height, trial.pix_fmt = 64, 64, settings.pix_fmt
    trial.time_base, trial.framerate = Fraction(1, 25), Fraction(25)
    trial.options = dict(options)
    try:
        trial.open()
    except av.error.FFmpegError as err:
        chosen = ", ".join(f"{name} {value}" for name, value in options.items()) or "no options"
        raise UsageError(f"{codec} refuses these settings: {chosen}: check their values") from err
    return settings


class VideoWriter:
    """Encodes frames into one file at their own times; `path` appears when `close` succeeds.

    `path` ends in .mp4 or .mkv. Until then its part file plays up to about a second back.

    Size, rotation, pixel aspect, colour tags and time base are the source's (`info`). `offset_s`
    is subtracted from every time, so that a cut-out begins at 0. `audio` adds the source's audio.
    """

    def __init__(
        self,
        path: Path,
        info: MediaInfo,
        settings: EncoderSettings,
        *,
        audio: bool = False,
        offset_s: float = 0.0,
        end_s: float | None = None,
    ) -> None:
        """Open the file. Raises OutputError when it cannot be created."""
        self.path = path
        self.warnings: list[str] = []
        self._info, self._settings = info, settings
        self._offset_s, self._end_s, self._want_audio = offset_s, end_s, audio
        self._offset_ticks = round(offset_s / info.time_base)
        self._audio: AudioCopy | None = None
        self._stream: VideoStream | None = None
        self._reformatter = VideoReformatter()
        self._open = True
        with output_errors(path):
            self._container: OutputContainer = av.open(
                f"file:{part_path(path)}", "w", options=_SURVIVING[path.suffix]
            )

    def encode(self, video: av.VideoFrame) -> None:
        """Add one frame; its pts and time base tell when it is shown. Raises OutputError."""
        with output_errors(self.path):
            stream = self._stream or self._start(video)
            time_s = float(video.time or 0)
            video = self._fit(video)
            if video.pts is not None:
                video.pts -= self._offset_ticks
            video.pict_type = 0  # else the encoder copies the source's pattern of key frames
            if self._audio:
                self._audio.copy_until(time_s)
            self._container.mux(stream.encode(video))

    def close(self) -> None:
        """Flush, close and rename to the final name. Raises OutputError."""
        if not self._open:
            return
        with output_errors(self.path):
            if self._stream:
                self._container.mux(self._stream.encode(None))
            if self._audio:
                self._audio.copy_until(float("inf"))
        self._release()
        if self.path.suffix == ".mp4" and self._stream:
            with output_errors(self.path):
                make_ordinary(part_path(self.path))
        complete(self.path)

    def abort(self) -> None:
        """Close what is open; the part file stays, nothing appears under the final name."""
        if self._open:
            with contextlib.suppress(OutputError):
                self._release()

    def _release(self) -> None:
        self._open = False
        if self._audio:
            self._audio.close()
        with output_errors(self.path):
            self._container.close()

    def _start(self, first: av.VideoFrame) -> VideoStream:
        """Set the streams up; the first frame says the size, after padding, and the colours."""
        self._shift_to_zero(first)
        info, settings = self._info, self._settings
        stream = self._container.add_stream(
            settings.codec, rate=info.rate, options=dict(settings.options)
        )
        assert isinstance(stream, VideoStream)
        context = stream.codec_context
        context.width, context.height = first.width, first.height
        context.pix_fmt = settings.pix_fmt
        context.time_base = info.time_base
        context.thread_type = "AUTO"
        context.color_range = int(first.color_range)
        context.colorspace = int(first.colorspace)
        context.color_primaries, context.color_trc = info.color_primaries, info.color_trc
        if info.sample_aspect_ratio:
            stream.sample_aspect_ratio = info.sample_aspect_ratio
        if info.rotation:
            stream.set_display_rotation(info.rotation)
        if settings.codec == "libx265" and self.path.suffix == ".mp4":
            context.codec_tag = "hvc1"  # Apple's players want this tag
        self._stream = stream
        if self._want_audio and info.audio_codec:
            self._start_audio()
        return stream

    def _shift_to_zero(self, first: av.VideoFrame) -> None:
        """Move times before 0 up, which mp4 cannot hold."""
        begin = (first.pts or 0) - self._offset_ticks
        if begin < 0:
            begin_s = float(begin * self._info.time_base)
            self._offset_ticks += begin
            self._offset_s += begin_s
            self.warnings.append(f"the source begins at {begin_s:g} s: {self.path.name} at 0")

    def _start_audio(self) -> None:
        start_s = self._offset_s if self._offset_s else float("-inf")
        try:
            self._audio = AudioCopy(
                self._info.path, self._container,
                start_s=start_s, end_s=self._end_s, shift_s=self._offset_s,
            )  # fmt: skip
        except (ValueError, av.error.FFmpegError) as err:
            self.warnings.append(f"audio left out of {self.path.name}: {err}")

    def _fit(self, video: av.VideoFrame) -> av.VideoFrame:
        assert self._stream is not None
        context = self._stream.codec_context
        if (video.width, video.height) == (context.width, context.height):
            return video
        pts, time_base = video.pts, video.time_base
        fitted = self._reformatter.reformat(video, context.width, context.height)
        fitted.pts, fitted.time_base = pts, time_base
        warning = f"the picture changed its size: {self.path.name} keeps the first one"
        if warning not in self.warnings:
            self.warnings.append(warning)
        return fitted


class OverlayVideoSink:
    """The frames with the cornea painted on."""

    def __init__(self, writer: VideoWriter, colour: RGB, opacity: float) -> None:
        self.writer = writer
        self._paint = YuvPainter(colour, opacity)

    def write(self, segmentation: Segmentation) -> None:
        """Paint and encode one frame."""
        self.writer.encode(self._paint(segmentation))

    def close(self) -> None:
        """Complete the file."""
        self.writer.close()

    def abort(self) -> None:
        """Give the file up."""
        self.writer.abort()


class MaskVideoSink:
    """The masks alone, lossless: FFV1 gray, 255 on the cornea.

    Matroska counts time in milliseconds. It is given no pixel aspect: PyAV cannot set the one that
    this muxer reads, so anamorphic masks play squeezed; their pixels are those of the source.
    """

    SETTINGS = EncoderSettings("ffv1", "gray", {"level": "3", "slicecrc": "1", "g": "1"})

    def __init__(self, writer: VideoWriter) -> None:
        self.writer = writer

    def write(self, segmentation: Segmentation) -> None:
        """Encode one mask, in the orientation of the stored pixels."""
        frame = segmentation.frame
        video = av.VideoFrame.from_ndarray(as_stored(segmentation.mask, frame.rotation), "gray")
        video.pts, video.time_base = frame.video.pts, frame.video.time_base
        video.color_range = ColorRange.JPEG
        self.writer.encode(video)

    def close(self) -> None:
        """Complete the file."""
        self.writer.close()

    def abort(self) -> None:
        """Give the file up."""
        self.writer.abort()
