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
    "backend", "batch_size", "class_index", "class_name", "codec", "color", "contour", "crf",
    "decoder", "device", "empty_is_background", "encoder_weights", "group_by", "image_size",
    "input_normalization", "input_size", "jobs", "jsonl", "keep_metadata", "label", "live", "log",
    "mask", "mask_value", "max_bad", "max_megapixels", "metrics", "mix_generated", "mm_per_px",
    "name_by", "opacity", "overlay", "overwrite", "parquet", "polygons", "precision", "preset",
    "report", "resume", "smooth", "strict", "thickness", "threshold", "video_track",
)  # fmt: skip
_NAME = "|".join((*_RENAMED, *_SAME))
# A parameter with a value, at the beginning of a message, or with a name that is no word; not a
# part of a path.
_NO_WORD = "|".join(name for name in (*_RENAMED, *_SAME) if "_" in name)
_MENTIONED = re.compile(
    rf"(?<![^\s(])({_NAME})=(\w[\w.#]*)|^({_NAME})(?= (?:must|is for) )"
    rf"|(?<![^\s(])({_NO_WORD})(?![^\s,:;)])"
)


def as_options(message: str) -> str:
    """Return `message` with parameters such as `resume=True`, `codec=libx264` spelled as options.

    >>> as_options("output exists: a=1/b.mp4: pass overwrite=True or precision=fp32")
    'output exists: a=1/b.mp4: pass --overwrite or --precision fp32'
    >>> as_options("nothing to stream: leave out overlay=False")
    'nothing to stream: leave out --no-overlay'
    >>> as_options("reconnect_s must be 0 or more: -1: try 30")
    '--reconnect-timeout must be 0 or more: -1: try 30'
    >>> as_options("weights of x: a/input_size.pth: leave out input_size, class_index")
    'weights of x: a/input_size.pth: leave out --input-size, --class-index'
    """
    return _MENTIONED.sub(_as_option, message)


def _as_option(match: re.Match[str]) -> str:
    name = match[1] or match[3] or match[4]
    name = _RENAMED.get(name, name.replace("_", "-"))
    if match[2] == "False":
        return f"--no-{name}"
    option = f"--{name}"
    return option if match[2] in (None, "True") else f"{option} {match[2]}"
