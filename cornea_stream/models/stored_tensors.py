"""Tensors that are read from a file's content when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias, cast

if TYPE_CHECKING:
    import torch

Tensors: TypeAlias = "dict[str, torch.Tensor]"


class TensorsField:
    """A field of a dataclass: set to tensors by name, or to a function that returns them.

    torch, which takes seconds to import, is then needed by those only who look at them.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object | None, owner: type) -> Tensors:
        if instance is None:
            raise AttributeError(self._name)  # so that the field has no default
        value = instance.__dict__[self._name]
        if callable(value):
            value = instance.__dict__[self._name] = value()
        return cast("Tensors", value)

    def __set__(self, instance: object, value: Tensors | Callable[[], Tensors]) -> None:
        instance.__dict__[self._name] = value


def load_safetensors(stored: bytes) -> Tensors:
    """Return the tensors in the content of a .safetensors file."""
    from safetensors.torch import load

    return load(stored)
