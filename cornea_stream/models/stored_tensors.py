"""The tensors of a .safetensors file, made when the first is asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class StoredTensors(Mapping[str, "torch.Tensor"]):
    """Tensors by name; torch, which takes seconds to import, is needed for their values only."""

    def __init__(self, stored: bytes, names: Collection[str]) -> None:
        """Take the content of the file and the names in it."""
        self._stored = stored
        self._names = dict.fromkeys(names)
        self._tensors: dict[str, torch.Tensor] | None = None

    def __getitem__(self, name: str) -> torch.Tensor:
        if self._tensors is None:
            from safetensors.torch import load

            self._tensors, self._stored = load(self._stored), b""
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
