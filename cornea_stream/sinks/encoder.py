"""Video encoders: which one, with which settings, tried before anything is written."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Literal

import av
import numpy as np

from cornea_stream.errors import UsageError, check_number, check_text
from cornea_stream.media.frame import MediaInfo

DEFAULT_CODEC = "libx264"
_MOST_CRF = {"libx264": 51, "libx265": 51, "libsvtav1": 63, "libvpx-vp9": 63}
"""Encoders silently take larger values for these."""
_TRIAL_SIZE = 256, 256  # NVENC's least is 145
_TRIAL_FRAMES = 3  # of fewer, x265 leaves decoding times at random
_GRAY = np.full(_TRIAL_SIZE, 128, np.uint8)
# RTP has no file to try it with. FFmpeg packs these so that common receivers know them.
_SENT_AWAY = {"rtsp": ("h264", "hevc", "av1", "vp8", "vp9", "mpeg4")}


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """How a video stream is encoded; `options` go to FFmpeg's encoder as they are.

    `thread_type` is FFmpeg's: FRAME is fastest, SLICE holds no frame back.
    """

    codec: str = DEFAULT_CODEC
    pix_fmt: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    thread_type: Literal["AUTO", "SLICE"] = "AUTO"

    @property
    def keeps_fields(self) -> bool:
        """Whether videos can be flagged as interlaced."""
        return self.codec == "libx264"


def check_encoder_types(codec: object, crf: object, preset: object) -> None:
    """Raise UsageError for arguments of `check_encoder` that are of wrong types."""
    check_text("codec", codec, "the name of an FFmpeg encoder, such as libx264")
    if crf is not None:
        check_number("crf", crf, -1, example=22.0)
    if preset is not None:
        check_text("preset", preset, "a preset of the encoder, such as veryfast")


@cache
def check_encoder(
    codec: str, crf: float | None = None, preset: str | None = None
) -> EncoderSettings:
    """Return settings for an FFmpeg video encoder after a trial; None leaves its own default.

    libx264 gets crf 22 where none is given, and for the preset superfast with B-frames in a fixed
    pattern: as near to the frame as crf 20 with veryfast, for less time (`benchmarks/encoder.py`).
    NVENC gets a constant quality of 20.
    auto is NVENC where it opens, unless a preset is given, else libx264.
    Raises UsageError when this build has no such encoder, or the encoder refuses an option.
    """
    if codec == "auto":
        try:
            return check_encoder("h264_nvenc" if preset is None else "libx264", crf, preset)
        except UsageError:
            codec = "libx264"
    codec = _encoder_name(codec)
    fixed = {}
    if codec == "libx264":
        crf, fixed = 22 if crf is None else crf, {} if preset else {"b_strategy": "0"}
        preset = preset or "superfast"
    if crf is not None and crf > _MOST_CRF.get(codec, crf):
        raise UsageError(f"crf must be at most {_MOST_CRF[codec]} for {codec}: {crf:g}: try 22")
    on_gpu = codec.endswith("_nvenc")
    given = {"cq" if on_gpu else "crf": None if crf is None else f"{crf:g}", "preset": preset}
    options = {name: value for name, value in given.items() if value is not None} | fixed
    if on_gpu:  # its own default is 2 Mbit/s, whatever the size of the picture
        options = {"rc": "vbr", "cq": "20"} | options
    if codec == "libx265":
        options["x265-params"] = "log-level=error"  # else it writes its statistics to the terminal
    if codec == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")  # errors only, for the same reason
    settings = EncoderSettings(codec, "yuv420p", options)
    trial = _context(settings, *_TRIAL_SIZE, Fraction(1, 25), Fraction(25))
    for option in options:
        if option not in {known.name for known in trial.supported_options.private}:
            raise UsageError(f"{codec} has no option {option}: leave it out")
    try:
        trial.open()
    except av.error.FFmpegError as err:
        if on_gpu:
            raise UsageError(
                f"{codec} does not open: {err.strerror}: it needs an NVIDIA GPU with an encoder, "
                "and options that it supports: use libx264 or auto"
            ) from err
        if not options:
            raise UsageError(f"{codec} does not open: {err.strerror}: use libx264") from err
        chosen = ", ".join(f"{name} {value}" for name, value in options.items())
        raise UsageError(f"{codec} refuses these settings: {chosen}: check their values") from err
    return settings


def check_container(settings: EncoderSettings, container: str) -> None:
    """Raise UsageError where a video of this encoder cannot be stored, or read back.

    `container` is FFmpeg's name of the format.
    """
    if _survives(settings, container):
        return
    usable = [
        codec
        for codec in ("libx264", "libx265", "libsvtav1", "libvpx-vp9")
        if codec in av.codecs_available and _survives(check_encoder(codec), container)
    ]
    raise UsageError(f"{container} cannot hold {settings.codec}: use {' or '.join(usable)}")


def check_source(settings: EncoderSettings, info: MediaInfo) -> None:
    """Raise UsageError where the encoder takes no pictures of this size, or no such times."""
    width, height = info.width + info.width % 2, info.height + info.height % 2
    try:
        _context(settings, width, height, info.time_base, info.rate).open()
    except (av.error.FFmpegError, ValueError) as err:
        raise UsageError(
            f"{settings.codec} cannot encode this source: {width}x{height} pixels, times in units "
            f"of {info.time_base} s: use libx264"
        ) from err


def _encoder_name(codec: str) -> str:
    """Return FFmpeg's own name of an encoder, libx264 for h264. Raises UsageError."""
    try:
        found = av.Codec(codec, "w")
    except (av.codec.codec.UnknownCodecError, ValueError) as err:
        raise UsageError(
            f"unknown video encoder: {codec!r}: try libx264, libx265 or libsvtav1"
        ) from err
    if found.type != "video":
        raise UsageError(f"not a video encoder: {codec!r}: try libx264")
    formats = [known.name for known in found.video_formats or ()]
    if formats and "yuv420p" not in formats:
        raise UsageError(f"{found.name} does not encode yuv420p: try libx264, libx265 or libsvtav1")
    return found.name


def _context(
    settings: EncoderSettings, width: int, height: int, time_base: Fraction, rate: Fraction
) -> av.VideoCodecContext:
    context = av.CodecContext.create(settings.codec, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, settings.pix_fmt
    context.time_base, context.framerate = time_base, rate
    context.options = dict(settings.options)
    return context


def _survives(settings: EncoderSettings, container: str) -> bool:
    """Whether frames that are written to memory can be read back."""
    if container in _SENT_AWAY:
        return av.Codec(settings.codec, "w").canonical_name in _SENT_AWAY[container]
    memory = io.BytesIO()
    try:
        with av.open(memory, "w", format=container) as written:
            stream = written.add_stream(settings.codec, rate=25, options=dict(settings.options))
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height = _TRIAL_SIZE
            stream.pix_fmt = settings.pix_fmt
            for index in range(_TRIAL_FRAMES):
                frame = av.VideoFrame.from_ndarray(_GRAY, "gray").reformat(format=settings.pix_fmt)
                frame.pts, frame.time_base = index, Fraction(1, 25)
                written.mux(stream.encode(frame))
            written.mux(stream.encode(None))
        memory.seek(0)
        with av.open(memory, "r", format=container) as stored:
            return len(list(stored.decode(video=0))) == _TRIAL_FRAMES
    except (av.error.FFmpegError, ValueError, IndexError):
        return False
