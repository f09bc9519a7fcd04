"""The errors a caller can meet, as a tree; each carries the exit code of the command line.

CorneaStreamError            1  anything below, and internal errors
├── DeviceError              1  the GPU failed or ran out of memory in the middle of the work
├── FrameDroppedError        1  a newer frame took the place of one pushed into a session
├── UsageError               2  an option or argument that makes no sense
├── SourceError              3  the input cannot be read
├── CheckpointError          4  the weights cannot be used
└── OutputError              5  the output cannot be written

Messages read `what: which thing: what to do`.
"""

from __future__ import annotations

import math
from importlib.util import find_spec
from numbers import Integral, Real
from typing import Any


class CorneaStreamError(Exception):
    """Base of every error that this package raises on purpose."""

    exit_code = 1


class DeviceError(CorneaStreamError):
    """The GPU failed or ran out of memory in the middle of the work."""


class FrameDroppedError(CorneaStreamError):
    """A frame pushed into a session was not looked at: a newer one took its place."""


class UsageError(CorneaStreamError):
    """An argument is out of range or contradicts another."""

    exit_code = 2


class SourceError(CorneaStreamError):
    """A video, image or folder is missing, unreadable or holds no frame."""

    exit_code = 3


class CheckpointError(CorneaStreamError):
    """A weights file is missing, damaged, unsafe or of another architecture."""

    exit_code = 4


class OutputError(CorneaStreamError):
    """An output exists already, or cannot be created or written."""

    exit_code = 5


EXIT_OK = 0
EXIT_INTERNAL = 1
EXIT_PARTIAL = 6
EXIT_INTERRUPTED = 130


def require(module: str, extra: str, what: str) -> None:
    """Raise UsageError, naming the extra to install, if `what` needs a `module` not there."""
    if find_spec(module) is None:
        raise UsageError(f"{what} needs {module}: pip install 'cornea-stream[{extra}]'")


def check_number(
    name: str,
    value: Any,
    low: float,
    high: float = math.inf,
    *,
    example: float,
    exclusive: bool = False,
) -> None:
    """Raise UsageError unless `value` is a finite number from `low` to `high`.

    `exclusive` leaves both ends out. A whole number as the `example` asks for a whole number.
    """
    is_number = isinstance(value, Integral if isinstance(example, int) else Real)
    inside = is_number and low <= value <= high and value < math.inf
    if inside and not (exclusive and value in (low, high)):
        return
    if math.isinf(high):
        limits = f"be above {low:g}" if exclusive else f"be {low:g} or more"
    else:
        limits = f"lie between {low:g} and {high:g}"
    raise UsageError(f"{name} must {limits}: {value}: try {example:g}")


def wrong_type(name: str, value: object, expected: str) -> UsageError:
    """Return the error for an argument of a type that cannot be used."""
    return UsageError(f"{name} cannot be of type {type(value).__name__}: give {expected}")
