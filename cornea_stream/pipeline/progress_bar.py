"""A progress bar for Python programs and notebooks."""

from __future__ import annotations

import warnings
from typing import Any


class NoBar:
    """A bar that shows nothing, with what is used of tqdm's."""

    total: int | None = None

    def __enter__(self) -> NoBar:
        return self

    def __exit__(self, *exception: object) -> None:
        """Do nothing."""

    def update(self) -> None:
        """Do nothing."""


def progress_bar(*, disable: bool) -> Any:
    """Return a bar of tqdm that counts frames; set its `total` when that is known.

    In notebooks it is a widget if ipywidgets is installed, else text.
    """
    if disable:
        return NoBar()  # tqdm starts a thread even if it shows nothing
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about ipywidgets, which are optional
        from tqdm.auto import tqdm

        return tqdm(unit=" frames")
