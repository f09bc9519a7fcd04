"""Videos decoded by NVDEC, with a fallback to software at the first error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from cornea_stream.errors import SourceError, UsageError, check_text
from cornea_stream.media.planes import to_yuv420
from cornea_stream.sources.containers import reason
from cornea_stream.sources.read_options import ReadOptions
from cornea_stream.sources.video import VideoSource
from cornea_stream.sources.video_track import open_pictures

# The speed of NVDEC has not been measured yet, so auto does not use it.
DECODERS = ("auto", "cpu", "nvdec")
_BROUGHT_HOME = ("nv12", "p010le", "p016le")
"""Pixel formats of NVDEC frames in CPU memory; software decoders do not produce them."""


def check_decoder(decoder: str) -> None:
    """Raise UsageError for an unknown decoder."""
    check_text("decoder", decoder, ", ".join(DECODERS))
    if decoder not in DECODERS:
        raise UsageError(f"unknown decoder: {decoder!r}: use {', '.join(DECODERS)}")


class NvdecSource(VideoSource):
    """The frames of a video file, decoded by NVDEC and copied to CPU memory.

    They are planar, like those of `VideoSource`. If the GPU is not available, does not support the
    format or reports an error, the rest is decoded in software, which can tell damage apart, and
    `warnings` says so. `decoder` names the decoders used.
    """

    def __init__(self, path: Path, reading: ReadOptions | None = None) -> None:
        self._in_hardware = True
        self._trouble: str | None = None
        self._given = 0
        self._from_s = 0.0
        self._reformatter = VideoReformatter()
        super().__init__(path, reading)

    @property
    def decoder(self) -> str:
        """NVDEC, CPU, or one after the other, for the frames read so far."""
        if self._trouble is None:
            return "NVDEC"
        return "NVDEC, then CPU" if self._given else "CPU"

    @property
    def warnings(self) -> list[str]:
        """Problems of the stream, and why the GPU did not decode it."""
        found = super().warnings
        if self._trouble is not None:
            found.append(f"no NVDEC: {self._trouble}: decoded on the CPU")
        return found

    def _open(self) -> tuple[InputContainer, VideoStream]:
        if self._in_hardware:
            try:
                return self._open_in_hardware()
            except SourceError as err:
                # Opening it without the GPU shows whether the GPU or the file is the cause.
                self._give_up(reason(err.__cause__ or err))
        return super()._open()

    def _open_in_hardware(self) -> tuple[InputContainer, VideoStream]:
        accelerator = HWAccel("cuda", allow_software_fallback=True)
        container, stream = open_pictures(
            self.path,
            self._reading.max_megapixels,
            hwaccel=accelerator,
            track=self._reading.video_track,
        )
        stream.codec_context.thread_count = 1  # each thread would hold GPU surfaces
        return container, stream

    def _give_up(self, trouble: str) -> None:
        self._in_hardware, self._trouble = False, trouble

    def _rewind(self, from_s: float) -> None:
        self._from_s = from_s
        super()._rewind(from_s)

    def _pictures(self) -> Iterator[av.VideoFrame]:
        given, last = 0, None
        if self._in_hardware:
            try:
                for video in super()._pictures():
                    planar, last = self._planar(video), video.pts
                    given += 1
                    self._given += 1
                    yield planar
                return
            except _TroubleError as err:
                self._give_up(str(err))
            self._container.close()
            self._container, self._stream = self._open()
            self._rewind(self._from_s)
        for index, video in enumerate(super()._pictures()):
            # A raw stream has no times.
            if index >= given if last is None or video.pts is None else video.pts > last:
                yield video

    def _planar(self, video: av.VideoFrame) -> av.VideoFrame:
        name = video.format.name
        if name not in _BROUGHT_HOME:
            raise _TroubleError(f"it does not take {self._stream.codec_context.name} in {name}")
        return to_yuv420(video, self._reformatter) if name == "nv12" else video

    def _skip(self, time_s: float) -> None:
        if self._in_hardware:
            raise _TroubleError(f"an error near {time_s:.2f} s")
        super()._skip(time_s)


class _TroubleError(Exception):
    """The GPU cannot decode this, or the file is damaged."""
