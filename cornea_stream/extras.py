"""Libraries that only some outputs need: extras of the package."""

from __future__ import annotations

from importlib.util import find_spec

from cornea_stream.errors import UsageError


def require(module: str, extra: str, what: str) -> None:
    """Raise UsageError, naming the extra to install, where `what` needs a `module` not there."""
    if find_spec(module) is None:
        raise UsageError(f"{what} needs {module}: pip install 'cornea-stream[{extra}]'")
