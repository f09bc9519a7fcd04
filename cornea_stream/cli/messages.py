"""Messages of the library, whose parameters become options of the command line."""

from __future__ import annotations

import re

_SWITCH = re.compile(r"\b([a-z][a-z_]+)=True\b")
_VALUE = re.compile(r"(?<![?&\w])([a-z][a-z_]+)=(\w[\w.#]*)")


def as_options(message: str) -> str:
    """Return `message` with parameters such as `resume=True`, `codec=libx264` spelled as options.

    >>> as_options("output exists: a.mp4: pass overwrite=True or precision=fp32")
    'output exists: a.mp4: pass --overwrite or --precision fp32'
    """
    message = _SWITCH.sub(lambda match: "--" + match[1].replace("_", "-"), message)
    return _VALUE.sub(lambda match: f"--{match[1].replace('_', '-')} {match[2]}", message)
