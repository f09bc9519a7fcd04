"""Messages of the library, whose parameters become options of the command line."""

from __future__ import annotations

import re
from functools import cache

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
"""Options by the name of the parameter, if the two differ."""


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
    return _mentioned().sub(_as_option, message)


@cache
def _mentioned() -> re.Pattern[str]:
    """Match a parameter with a value, at the beginning of a message, or if it is no word.

    Parts of a path do not count.
    """
    names = sorted({*_RENAMED, *_parameters()})
    name, no_word = "|".join(names), "|".join(name for name in names if "_" in name)
    return re.compile(
        rf"(?<![^\s(])({name})=(\w[\w.#]*)|^({name})(?= (?:must|is for) )"
        rf"|(?<![^\s(])({no_word})(?![^\s,:;)])"
    )


def _parameters() -> set[str]:
    """Return the parameters of all commands that are options of the same name."""
    from typer.main import get_command

    from cornea_stream.cli import app

    commands = get_command(app).commands.values()  # type: ignore[attr-defined]
    return {
        param.name
        for command in commands
        for param in command.params
        if f"--{param.name.replace('_', '-')}" in param.opts
    }


def _as_option(match: re.Match[str]) -> str:
    name = match[1] or match[3] or match[4]
    name = _RENAMED.get(name, name.replace("_", "-"))
    if match[2] == "False":
        return f"--no-{name}"
    option = f"--{name}"
    return option if match[2] in (None, "True") else f"{option} {match[2]}"
