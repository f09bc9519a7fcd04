"""What is carried from the metadata of a source to the overlay: nothing that names people."""

from __future__ import annotations

from av.container import InputContainer

_CARRIED = ("title", "creation_time")


def carried(container: InputContainer) -> tuple[tuple[str, str], ...]:
    """Return title and creation time of a container, if it has them in a known encoding."""
    given = {name.lower(): value for name, value in container.metadata.items()}
    return tuple((name, given[name]) for name in _CARRIED if _is_text(given.get(name)))


def _is_text(value: str | None) -> bool:
    return bool(value) and "\ufffd" not in str(value)
