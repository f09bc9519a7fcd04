"""Video encoders: which one, with which settings, tried before anything is written."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Literal

import av

from cornea_stream.errors import UsageError


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """How a video stream is encoded; `options` go to FFmpeg's encoder as they are.

    `thread_type` is FFmpeg's: FRAME is fastest, SLICE holds no frame back.
    """

    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    thread_type: Literal["AUTO", "SLICE"] = "AUTO"


@cache
def check_encoder(
    codec: str, crf: float | None = None, preset: str | None = None
) -> EncoderSettings:
    """Return settings for an FFmpeg video encoder after a trial; None leaves its own default.

    libx264 gets crf 22 and preset superfast where none are given, as near to the frame as crf 20
    with veryfast for less time (`benchmarks/encoder.py`), NVENC a constant quality of 20.
    auto is NVENC where it opens, unless a preset is given, else libx264.
    Raises UsageError when this build has no such encoder, or the encoder refuses an option.
    """
    if codec == "auto":
        try:
            return check_encoder("h264_nvenc" if preset is None else "libx264", crf, preset)
        except UsageError:
            codec = "libx264"
    if codec == "libx264":
        crf, preset = 22 if crf is None else crf, preset or "superfast"
    on_gpu = codec.endswith("_nvenc")
    given = {"cq" if on_gpu else "crf": None if crf is None else f"{crf:g}", "preset": preset}
    options = {name: value for name, value in given.items() if value is not None}
    if on_gpu:  # its own default is 2 Mbit/s, whatever the size of the picture
        options = {"rc": "vbr", "cq": "20"} | options
    if codec == "libx265":
        options["x265-params"] = "log-level=error"  # else it writes its statistics to the terminal
    if codec == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")  # errors only, for the same reason
    settings = EncoderSettings(codec, "yuv420p", options)
    try:
        trial = av.CodecContext.create(codec, "w")
    except (av.codec.codec.UnknownCodecError, ValueError) as err:
        raise UsageError(
            f"unknown video encoder: {codec!r}: try libx264, libx265 or libsvtav1"
        ) from err
    if not isinstance(trial, av.VideoCodecContext):
        raise UsageError(f"not a video encoder: {codec!r}: try libx264")
    for option in options:
        if option not in {known.name for known in trial.supported_options.private}:
            raise UsageError(f"{codec} has no option --{option}: leave it out")
    trial.width, trial.height, trial.pix_fmt = 256, 256, settings.pix_fmt  # NVENC's least is 145
    trial.time_base, trial.framerate = Fraction(1, 25), Fraction(25)
    trial.options = dict(options)
    try:
        trial.open()
    except av.error.FFmpegError as err:
        if on_gpu:
            raise UsageError(
                f"{codec} does not open: {err.strerror}: it needs an NVIDIA GPU with an encoder, "
                "and options that it knows: use --codec libx264 or auto"
            ) from err
        chosen = ", ".join(f"{name} {value}" for name, value in options.items()) or "no options"
        raise UsageError(f"{codec} refuses these settings: {chosen}: check their values") from err
    return settings
