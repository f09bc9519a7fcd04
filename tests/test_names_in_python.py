"""The table in docs/python.md: options of the command line, and their names in Python."""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from documents import ROOT

from cornea_stream.media.times import parse_time
from cornea_stream.sinks import PreviewSettings


def rows() -> list[tuple[str, str]]:
    """Return what is typed, and the same in Python."""
    page = (ROOT / "docs" / "python.md").read_text("utf-8")
    lines = page.split("| command line | Python |\n")[1].splitlines()[1:]
    cells = (line.split("|")[1:3] for line in takewhile(str.strip, lines))
    return [(" ".join(re.findall("`(.*?)`", typed)), code.split("`")[1]) for typed, code in cells]


@pytest.mark.parametrize(("typed", "code"), rows())
def test_options_and_parameters_are_the_same(
    call: Any, monkeypatch: pytest.MonkeyPatch, typed: str, code: str
) -> None:
    given: dict[str, Any] = {}

    def make_setup(checkpoint: object, **arguments: Any) -> MagicMock:
        given.update(arguments)
        return MagicMock()

    def end(**arguments: Any) -> None:
        given.update(arguments)
        raise SystemExit

    monkeypatch.setattr("cornea_stream.batch.setup.Setup", make_setup)
    monkeypatch.setattr("cornea_stream.runs.options.RunOptions", end)
    call("run", "x.mp4")
    usual = dict(given)
    call("run", "x.mp4", *typed.split())
    changed = {name: value for name, value in given.items() if value != usual[name]}
    names = {"PreviewSettings": PreviewSettings, "RunOptions": dict, "Segmenter": dict}
    expected = {name: _comparable(name, value) for name, value in eval(code, names).items()}
    assert changed == expected


def _comparable(name: str, value: Any) -> Any:
    """Return a value as the command line passes it on."""
    if name in ("start_s", "end_s"):
        return parse_time(value)
    return Path(value) if name == "calibration" else value
