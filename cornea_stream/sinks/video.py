"""Video files: the overlay (H.264 in mp4) and the mask (FFV1 gray in Matroska)."""

from __future__ import annotations

import contextlib
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.reformatter import ColorRange

from cornea_stream.errors import OutputError
from cornea_stream.media.color import RGB
from cornea_stream.media.frame import MediaInfo, Segmentation, as_stored
from cornea_stream.media.overlay import YuvPainter
from cornea_stream.sinks.base import SegmentationSink, SinkResult
from cornea_stream.sinks.encoder import EncoderSettings, check_source
from cornea_stream.sinks.mux import Muxer
from cornea_stream.sinks.remux import make_ordinary
from cornea_stream.storage import complete, output_errors, part_path

# A process that is killed leaves a part file that plays: twice a second what is muxed goes to disk
# in a form that stands alone.
_SURVIVING = {
    ".mp4": {
        "movflags": "+frag_keyframe+delay_moov+default_base_moof",
        "frag_duration": "500000",  # microseconds
        "flush_packets": "1",
    },
    ".mkv": {"cluster_time_limit": "500", "flush_packets": "1"},  # milliseconds
    ".nut": {"flush_packets": "1"},
}


class VideoWriter:
    """Encodes frames into one file at their own times; `path` appears when `close` succeeds.

    `path` ends in .mp4, .mkv or .nut. Until then its part file plays up to about a second back.
    What the video takes from the source and what the arguments do: see `Muxer`.
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

        Raises UsageError when the encoder takes no such pictures, OutputError when the file cannot
        be created.
        """
        check_source(settings, info)
        self.path, self.codec = path, settings.codec
        self._open = True
        with output_errors(path):
            self._container: OutputContainer = av.open(
                f"file:{part_path(path)}", "w", options=_SURVIVING[path.suffix]
            )
        self._muxer = Muxer(
            self._container, path.name, info, settings,
            audio=self._container.format.name if audio else None, offset_s=offset_s, end_s=end_s,
        )  # fmt: skip

    @property
    def warnings(self) -> list[str]:
        """What was changed or left out."""
        return self._muxer.warnings

    def encode(self, video: av.VideoFrame) -> None:
        """Add one frame; its pts and time base tell when it is shown. Raises OutputError."""
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
        self._muxer.release()
        with output_errors(self.path):
            self._container.close()


class OverlayVideoSink(SegmentationSink):
    """The frames with the cornea painted on."""

    name = "overlay"

    def __init__(self, writer: VideoWriter, color: RGB, opacity: float) -> None:
        self.writer = writer
        self._paint = YuvPainter(color, opacity)

    @property
    def warnings(self) -> list[str]:
        """What was changed or left out."""
        return self.writer.warnings

    @property
    def result(self) -> SinkResult:
        """The encoder that made the video."""
        return SinkResult(encoder=self.writer.codec)

    def write(self, segmentation: Segmentation) -> None:
        """Paint and encode one frame."""
        self.writer.encode(self._paint(segmentation))

    def close(self) -> None:
        """Complete the file."""
        self.writer.close()

    def abort(self) -> None:
        """Give the file up."""
        self.writer.abort()


def mask_frame(segmentation: Segmentation) -> av.VideoFrame:
    """Return the mask as a gray frame, at its time, in the orientation of the stored pixels."""
    frame = segmentation.frame
    video = av.VideoFrame.from_ndarray(as_stored(segmentation.mask, frame.rotation), "gray")
    video.pts, video.time_base = frame.video.pts, frame.video.time_base
    video.color_range = ColorRange.JPEG
    return video


class MaskVideoSink(SegmentationSink):
    """The masks alone, lossless: FFV1 gray, 255 on the cornea.

    Matroska counts time in milliseconds. It is given no pixel aspect: PyAV cannot set the one that
    this muxer reads, so anamorphic masks play squeezed; their pixels are those of the source.
    """

    name = "mask"
    SETTINGS = EncoderSettings("ffv1", "gray", {"level": "3", "slicecrc": "1", "g": "1"})

    def __init__(self, writer: VideoWriter) -> None:
        self.writer = writer

    @property
    def warnings(self) -> list[str]:
        """What was changed or left out."""
        return self.writer.warnings

    def write(self, segmentation: Segmentation) -> None:
        """Encode one mask."""
        self.writer.encode(mask_frame(segmentation))

    def close(self) -> None:
        """Complete the file."""
        self.writer.close()

    def abort(self) -> None:
        """Give the file up."""
        self.writer.abort()
