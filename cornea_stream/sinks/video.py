"""Video files: the overlay (H.264 in mp4) and the mask (FFV1 gray in Matroska)."""

from __future__ import annotations

import contextlib
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.reformatter import ColorRange

from cornea_stream.errors import OutputError
from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.media.frame import MediaInfo
from cornea_stream.media.orientation import as_stored
from cornea_stream.media.overlay import OverlayStyle, YuvPainter
from cornea_stream.sinks.base import SegmentationSink, SinkResult
from cornea_stream.sinks.encoder import EncoderSettings, check_source
from cornea_stream.sinks.mp4 import metadata_of, movie_timescale
from cornea_stream.sinks.mux import Muxer
from cornea_stream.sinks.remux import make_ordinary
from cornea_stream.storage import complete, output_errors, part_path

# Twice a second, muxed packets are flushed to disk as self-contained fragments, so that the .part
# file of a killed process plays. Its index of fragments (the trailer) would grow in memory, and
# `make_ordinary` does not need it.
_SURVIVING = {
    ".mp4": {
        "movflags": "+frag_keyframe+delay_moov+default_base_moof+skip_trailer",
        "frag_duration": "500000",  # microseconds
        "flush_packets": "1",
    },
    ".mkv": {"cluster_time_limit": "500", "flush_packets": "1"},  # milliseconds
    ".nut": {"flush_packets": "1"},
}


class VideoFile:
    """Encodes frames into one file with their timestamps; `path` appears when `close` succeeds.

    `path` ends in .mp4, .mkv or .nut. Until then, the .part file plays except for about the last
    second. See `Muxer` for the arguments and for what is taken from the source.
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
        """Open the file.

        Raises UsageError if the encoder does not support the frames, and OutputError if the file
        cannot be created.
        """
        check_source(settings, info)
        self.path, self.info, self.codec = path, info, settings.codec
        self._open, self._offset_s = True, offset_s
        with output_errors(path):
            options = dict(_SURVIVING[path.suffix])
            if path.suffix == ".mp4":
                options |= movie_timescale(info.time_base)
            self._container: OutputContainer = av.open(
                f"file:{part_path(path)}", "w", options=options
            )
        self._muxer = Muxer(
            self._container, path.name, info, settings,
            audio=self._container.format.name if audio else None, offset_s=offset_s, end_s=end_s,
        )  # fmt: skip

    @property
    def warnings(self) -> list[str]:
        """What was changed or omitted."""
        return self._muxer.warnings

    @property
    def keeps_fields(self) -> bool:
        """Whether interlaced frames stay interlaced."""
        return self._muxer.keeps_fields

    def encode(self, video: av.VideoFrame) -> None:
        """Add one frame at its pts and time base. Raises OutputError."""
        with output_errors(self.path):
            self._muxer.encode(video)

    def close(self) -> None:
        """Flush, close and rename to the final name. Raises OutputError."""
        if not self._open:
            return
        with output_errors(self.path):
            self._muxer.flush()
        self._release()
        if self.path.suffix == ".mp4" and self._muxer.started:
            metadata = metadata_of(self.info, self._offset_s)
            make_ordinary(part_path(self.path), metadata, self.info.rate)
        complete(self.path)

    def abort(self) -> None:
        """Close the file; the .part file remains, nothing appears under the final name."""
        if self._open:
            with contextlib.suppress(OutputError):
                self._release()

    def _release(self) -> None:
        self._open = False
        self._muxer.release()
        with output_errors(self.path):
            self._container.close()


class OverlayVideoSink(SegmentationSink):
    """The video with the cornea painted."""

    name = "overlay"

    def __init__(self, writer: VideoFile, style: OverlayStyle) -> None:
        self.writer = writer
        self._paint = YuvPainter(style, keep_fields=writer.keeps_fields)

    @property
    def warnings(self) -> list[str]:
        """What was changed or omitted."""
        writer = self.writer
        if writer.info.field_order is None or writer.keeps_fields:
            return writer.warnings
        name = writer.path.name
        return [*writer.warnings, f"{name} is deinterlaced: {writer.codec} keeps no fields"]

    @property
    def result(self) -> SinkResult:
        """The encoder of the video."""
        return SinkResult(encoder=self.writer.codec)

    def write(self, segmentation: Segmentation) -> None:
        """Paint and encode one frame."""
        self.writer.encode(self._paint(segmentation))

    def close(self) -> None:
        """Complete the file."""
        self.writer.close()

    def abort(self) -> None:
        """Abandon the file."""
        self.writer.abort()


def mask_frame(segmentation: Segmentation) -> av.VideoFrame:
    """Return the mask as a gray frame with its timestamp, in stored orientation."""
    frame = segmentation.frame
    video = av.VideoFrame.from_ndarray(as_stored(segmentation.mask, frame.orientation), "gray")
    video.pts, video.time_base = frame.video.pts, frame.video.time_base
    video.color_range = ColorRange.JPEG
    return video


class MaskVideoSink(SegmentationSink):
    """The masks as lossless gray FFV1 video, 255 on the cornea.

    Matroska stores times in milliseconds. The pixel aspect ratio is not set, because PyAV cannot
    set the field that this muxer reads; anamorphic masks therefore play squeezed.
    """

    name = "mask"
    SETTINGS = EncoderSettings("ffv1", "gray", {"level": "3", "slicecrc": "1", "g": "1"})

    def __init__(self, writer: VideoFile) -> None:
        self.writer = writer

    @property
    def warnings(self) -> list[str]:
        """What was changed or omitted."""
        return self.writer.warnings

    def write(self, segmentation: Segmentation) -> None:
        """Encode one mask."""
        self.writer.encode(mask_frame(segmentation))

    def close(self) -> None:
        """Complete the file."""
        self.writer.close()

    def abort(self) -> None:
        """Abandon the file."""
        self.writer.abort()
