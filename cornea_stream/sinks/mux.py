"""Encodes frames and copies audio into an open container."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream

from cornea_stream.media import orientation
from cornea_stream.media.frame import MediaInfo
from cornea_stream.media.planes import fitting_size, padded
from cornea_stream.sinks.audio import AudioCopy
from cornea_stream.sinks.encoder import EncoderSettings
from cornea_stream.sinks.keyframes import SparseKeyframes, sparse_keyframes


class Muxer:
    """Encodes frames into `container` with their timestamps; `warnings` say what was changed.

    Rotation, pixel aspect ratio, color tags and time base are those of the source (`info`).
    `offset_s` is subtracted from every time, so that an excerpt begins at 0. `audio` is the name
    of the final format; the audio of the source is added up to `end_s` if that format supports
    its codec. `name` is the name of the output in warnings.
    Methods raise the errors of FFmpeg. The caller opens and closes the container.
    """

    def __init__(
        self,
        container: OutputContainer,
        name: str,
        info: MediaInfo,
        settings: EncoderSettings,
        *,
        audio: str | None = None,
        offset_s: float = 0.0,
        end_s: float | None = None,
    ) -> None:
        self.warnings: list[str] = []
        self._container, self._name = container, name
        self.info, self._settings = info, settings
        self._offset_s, self._end_s, self._audio_format = offset_s, end_s, audio
        self._offset_ticks = round(offset_s / info.time_base)
        self._audio: AudioCopy | None = None
        self._stream: VideoStream | None = None
        self._keyframes: SparseKeyframes | None = None
        self._tags = (int(Colorspace.ITU601), int(ColorRange.MPEG))
        self._reformatter = VideoReformatter()

    @property
    def keeps_fields(self) -> bool:
        """Whether the stream is flagged as interlaced."""
        return self.info.field_order is not None and self._settings.keeps_fields

    @property
    def started(self) -> bool:
        """Whether a frame has been added."""
        return self._stream is not None

    def encode(self, video: av.VideoFrame) -> None:
        """Add one frame at its pts and time base."""
        stream = self._stream or self._start(video)
        time_s = float(video.time or 0)
        video = self._fit(video)
        if video.pts is not None:
            video.pts -= self._offset_ticks
        video.pict_type = 0  # otherwise the encoder copies the keyframe pattern of the source
        if self._audio:
            self._audio.copy_until(time_s)
        self._mux(stream.encode(video))

    def flush(self) -> None:
        """Add the remaining frames of the encoder, and the rest of the audio."""
        if self._stream:
            self._mux(self._stream.encode(None))
        if self._audio:
            self._audio.flush()

    def release(self) -> None:
        """Close the second reader of the source; safe to call twice."""
        if self._audio:
            self._audio.close()

    def _mux(self, packets: Iterable[Packet[VideoStream]]) -> None:
        for packet in packets:
            if self._keyframes:
                self._keyframes.mark(packet)
            self._container.mux(packet)

    def _start(self, first: av.VideoFrame) -> VideoStream:
        """Set up the streams, with the size (after padding) and colors of the first frame."""
        self._shift_to_zero(first.pts or 0)
        self._tags = _color_tags(first)
        info, settings = self.info, self._settings
        stream = self._container.add_stream(settings.codec, rate=info.rate, options=self._options())
        assert isinstance(stream, VideoStream)
        context = stream.codec_context
        context.width, context.height = first.width, first.height
        context.pix_fmt = settings.pix_fmt
        context.time_base = info.time_base
        context.thread_type = settings.thread_type
        context.color_range = int(first.color_range)
        context.colorspace = self._matrix(first)
        context.color_primaries, context.color_trc = info.color_primaries, info.color_trc
        if info.sample_aspect_ratio:
            stream.sample_aspect_ratio = info.sample_aspect_ratio
        orientation.write(stream, info.orientation)
        if settings.codec == "libx265" and self._container.format.name == "mp4":
            context.codec_tag = "hvc1"  # Apple's players require this tag
        self._keyframes = sparse_keyframes(settings.codec, self._container.format.name)
        self._stream = stream
        if self._audio_format and info.audio_codec:
            self._start_audio(info.path, self._audio_format)
        return stream

    def _options(self) -> dict[str, str]:
        """Return the options of the encoder, with the order of the fields."""
        options = dict(self._settings.options)
        if self.keeps_fields:
            order = "tff=1" if self.info.field_order == "top" else "bff=1"
            options["x264-params"] = ":".join(filter(None, (options.get("x264-params"), order)))
        return options

    def _matrix(self, first: av.VideoFrame) -> int:
        """Return the tag of the frame's color matrix.

        While another sink converts the same frame to RGB, PyAV replaces the PAL tag of BT.601 by
        the NTSC tag, which is the same matrix. The tag of the source is kept.
        """
        found, known = int(first.colorspace), self.info.colorspace
        return known if {found, known} == {5, 6} else found

    def _shift_to_zero(self, first: int) -> None:
        """Shift times that begin before 0, which mp4 does not support; `first` is the first pts."""
        begin = first - self._offset_ticks
        if begin < 0:
            begin_s = float(begin * self.info.time_base)
            self._offset_ticks += begin
            self._offset_s += begin_s
            self.warnings.append(f"the source begins at {begin_s:g} s, but {self._name} at 0")

    def _start_audio(self, path: Path | None, container: str) -> None:
        if path is None:
            self.warnings.append(f"no audio in {self._name}: a stream can be read only once")
            return
        start_s = self._offset_s if self._offset_s else float("-inf")
        try:
            self._audio = AudioCopy(
                path, self._container, container, self.info.video_track,
                start_s=start_s, end_s=self._end_s, shift_s=self._offset_s,
            )  # fmt: skip
        except (ValueError, av.error.FFmpegError) as err:
            self.warnings.append(f"no audio in {self._name}: {err}")
            return
        if self._audio.encoded:
            self.warnings.append(
                f"the audio of {self._name} is encoded to AAC: {container} does not support "
                f"{self._audio.encoded}"
            )

    def _fit(self, video: av.VideoFrame) -> av.VideoFrame:
        assert self._stream is not None
        context = self._stream.codec_context
        resized = (video.width, video.height) != (context.width, context.height)
        tags = _color_tags(video)
        if not resized and tags == self._tags:
            return video
        pts, time_base = video.pts, video.time_base
        colorspace, color_range = self._tags
        size = context.width, context.height
        fitted = self._reformatter.reformat(
            video, *fitting_size(video, *size),
            dst_colorspace=colorspace, dst_color_range=color_range,
        )  # fmt: skip
        fitted = padded(fitted, *size)
        fitted.pts, fitted.time_base = pts, time_base
        if not resized:
            return fitted
        warning = f"the frame size changed: {self._name} keeps the first size"
        if warning not in self.warnings:
            self.warnings.append(warning)
        return fitted


def _color_tags(video: av.VideoFrame) -> tuple[int, int]:
    """Return matrix and range as FFmpeg's scaler takes them: one BT.601, nothing unspecified."""
    matrix = Colorspace.ITU601 if int(video.colorspace) in (2, 5, 6) else video.colorspace
    full = video.color_range == ColorRange.JPEG
    return int(matrix), int(ColorRange.JPEG if full else ColorRange.MPEG)
