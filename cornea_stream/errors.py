"""The error tree; each class has an exit code for the command line.

CorneaStreamError            1  anything below, and internal errors
├── DeviceError              1  the GPU failed or ran out of memory
├── FrameDroppedError        1  a newer frame replaced one that was pushed into a session
├── UsageError               2  an option or argument is invalid
├── SourceError              3  the input cannot be read
├── CheckpointError          4  the weights cannot be used
└── OutputError              5  the output cannot be written
    └── ReaderGoneError    141  the program that reads standard output has ended

The command line says nothing of a ReaderGoneError: other programs end quietly then.
Messages read `what: which thing: what to do`.
"""

from __future__ import annotations

import math
from importlib.util import find_spec
from numbers import Integral, Real
from os import PathLike
from typing import Any


class CorneaStreamError(Exception):
    """Base class of all errors of this package."""

    exit_code = 1


class CorneaStreamWarning(UserWarning):
    """Something in a source was skipped or changed; `on_warning` receives the sentence instead."""


class DeviceError(CorneaStreamError):
    """The GPU failed or ran out of memory."""


class FrameDroppedError(CorneaStreamError):
    """A frame pushed into a session was replaced by a newer one before inference."""


class UsageError(CorneaStreamError):
    """An argument is out of range or contradicts another."""

    exit_code = 2


class SourceError(CorneaStreamError):
    """A video, image or folder is missing, unreadable or contains no frames."""

    exit_code = 3


class CheckpointError(CorneaStreamError):
    """A weights file is missing, damaged, unsafe or for another architecture."""

    exit_code = 4


class OutputError(CorneaStreamError):
    """An output already exists, or cannot be created or written."""

    exit_code = 5


class ReaderGoneError(OutputError):
    """The program that reads standard output has ended, as `head` does once it has enough."""

    exit_code = 141  # 128 + SIGPIPE, as shells report it of other programs


EXIT_OK = 0
EXIT_INTERNAL = 1
EXIT_PARTIAL = 6
EXIT_INTERRUPTED = 130


def require(module: str, extra: str, what: str) -> None:
    """Raise UsageError with the extra to install if `module`, which `what` needs, is missing."""
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

    `exclusive` excludes both ends. If `example` is an int, `value` must be an integer.
    """
    if not is_real(value):
        kind = "an integer" if isinstance(example, int) else "a number"
        raise wrong_type(name, value, f"{kind}, such as {example:g}")
    is_number = not isinstance(example, int) or isinstance(value, Integral)
    inside = is_number and low <= value <= high and value < math.inf
    if inside and not (exclusive and value in (low, high)):
        return
    if math.isinf(high):
        limits = f"be above {low:g}" if exclusive else f"be {low:g} or more"
    else:
        limits = f"be between {low:g} and {high:g}"
    raise UsageError(f"{name} must {limits}: {value}: try {example:g}")


def is_real(value: object) -> bool:
    """Whether `value` is a number, and not a truth value."""
    return isinstance(value, Real) and not isinstance(value, bool)


def check_flag(name: str, value: object) -> None:
    """Raise UsageError unless `value` is True or False."""
    if not isinstance(value, bool):
        raise wrong_type(name, value, "True or False")


def check_path(name: str, value: object, expected: str) -> None:
    """Raise UsageError unless `value` is a path."""
    if not isinstance(value, str | PathLike):
        raise wrong_type(name, value, expected)


def check_text(name: str, value: object, expected: str) -> None:
    """Raise UsageError unless `value` is a text."""
    if not isinstance(value, str):
        raise wrong_type(name, value, expected)


def check_callback(name: str, value: object, takes: str) -> None:
    """Raise UsageError unless `value` is None or can be called."""
    if value is not None and not callable(value):
        raise wrong_type(name, value, f"a function that takes {takes}")


def wrong_type(name: str, value: object, expected: str) -> UsageError:
    """Return the error for an argument of the wrong type."""
    return UsageError(f"{name} cannot be of type {type(value).__name__}: give {expected}")
