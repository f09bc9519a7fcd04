"""Messages of the library, whose parameters become options of the command line."""

from __future__ import annotations

import re

_RENAMED = {
    "calibration": "calibration-data",
    "data_format": "format",
    "end_s": "end",
    "every": "stride",
    "frames": "save-frames",
    "raw": "raw-mask",
    "reconnect_s": "reconnect-timeout",
    "start_s": "start",
    "white_to_white_mm": "white-to-white",
}
_SAME = (
    "backend", "batch_size", "class_index", "class_name", "codec", "crf", "decoder", "device",
    "empty_is_background", "encoder_weights", "group_by", "image_size", "input_normalization",
    "input_size", "jobs", "jsonl", "keep_metadata", "live", "log", "mask", "mask_value", "max_bad",
    "max_megapixels", "metrics", "mix_generated", "mm_per_px", "name_by", "opacity", "overwrite",
    "parquet", "precision", "preset", "report", "resume", "smooth", "strict", "thickness",
    "threshold", "video_track",
)  # fmt: skip
_NAME = "|".join((*_RENAMED, *_SAME))
# A parameter with a value, or at the beginning of a message; not a part of a path.
_MENTIONED = re.compile(rf"(?<![^\s(])({_NAME})=(\w[\w.#]*)|^({_NAME})(?= must )")


def as_options(message: str) -> str:
    """Return `message` with parameters such as `resume=True`, `codec=libx264` spelled as options.

    >>> as_options("output exists: a=1/b.mp4: pass overwrite=True or precision=fp32")
    'output exists: a=1/b.mp4: pass --overwrite or --precision fp32'
    >>> as_options("reconnect_s must be 0 or more: -1: try 30")
    '--reconnect-timeout must be 0 or more: -1: try 30'
    """
    return _MENTIONED.sub(_as_option, message)


def _as_option(match: re.Match[str]) -> str:
    name = match[1] or match[3]
    option = "--" + _RENAMED.get(name, name.replace("_", "-"))
    return option if match[2] in (None, "True") else f"{option} {match[2]}"
