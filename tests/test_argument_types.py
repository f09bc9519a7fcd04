"""Everything public answers arguments of wrong types with an error of ours that names them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from pydoc import locate
from typing import Any

import numpy as np
import pytest
from conftest import bright_segmenter, moving_discs, write_video
from documents import ROOT

import cornea_stream
from cornea_stream import (
    CorneaStreamError,
    OverlayStyle,
    RunOptions,
    Segmenter,
    Session,
    VideoWriter,
    load_checkpoint,
    open_source,
    run_source,
)

MADE_BY_US = {
    "Checkpoint", "Ellipse", "Frame", "MediaInfo", "Measurement", "Report", "RunResult",
    "Segmentation",
}  # fmt: skip
"""Results, which nobody constructs; their methods are tried all the same."""
WRONG = (object(), 1j, [object()])
OTHER_NAMES = {"images": "image", "source": "image"}
"""What is named instead, if it is an item of a list that is wrong."""


def public() -> dict[str, Any]:
    """Return what the package exports and what docs/python.md documents, by name."""
    page = (ROOT / "docs" / "python.md").read_text("utf-8")
    documented = {path.rpartition(".")[2]: path for path in re.findall(r"^::: (\S+)", page, re.M)}
    found = {name: locate(path) for name, path in documented.items()}
    found |= {name: getattr(cornea_stream, name) for name in cornea_stream.__all__}
    return {
        name: thing
        for name, thing in found.items()
        if callable(thing)
        and not (isinstance(thing, type) and issubclass(thing, Exception | Warning))
    }


def methods(kind: type) -> Iterator[str]:
    for name, value in vars(kind).items():
        if inspect.isfunction(value) and (not name.startswith("_") or name == "__call__"):
            yield name


def parameters(name: str) -> list[inspect.Parameter]:
    """Return the parameters of a callable, or of a method as Class.method."""
    owner, _, method = name.partition(".")
    function = getattr(public()[owner], method) if method else public()[owner]
    found = list(inspect.signature(function).parameters.values())[bool(method) :]
    assert all(p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) for p in found)
    return found


def cases() -> Iterator[tuple[str, str]]:
    """Yield every public callable with each of its parameters."""
    for name, thing in public().items():
        if name not in MADE_BY_US:
            yield from ((name, p.name) for p in parameters(name))
        for method in methods(thing) if isinstance(thing, type) else ():
            yield from ((f"{name}.{method}", p.name) for p in parameters(f"{name}.{method}"))


CASES = list(cases())


@dataclass
class Place:
    """A folder with a recording and its run, and good arguments of everything."""

    folder: Path
    segmenter: Segmenter
    opened: ExitStack

    @property
    def video(self) -> Path:
        return self.folder / "surgery.mp4"

    def target(self, name: str) -> Callable[..., Any]:
        """Return the callable; methods are those of a good object."""
        owner, _, method = name.partition(".")
        return getattr(self._made(owner), method) if method else public()[owner]  # type: ignore[no-any-return]

    def arguments(self, name: str, leaving_out: str) -> dict[str, Any]:
        """Return good arguments for what has no default."""
        required = [
            p.name for p in parameters(name) if p.default is p.empty and p.name != leaving_out
        ]
        return {p: self._good(name, p) for p in required} | self._told(name)

    def _good(self, name: str, parameter: str) -> Any:
        weights = load_checkpoint("resnet101")
        return {
            "path": self.folder / "new.mp4" if name == "VideoWriter" else self.video,
            "source": self.video,
            "video": self.video,
            "folder": self.folder / "runs" / "surgery",
            "image": np.zeros((120, 160, 3), np.uint8),
            "images": [np.zeros((120, 160, 3), np.uint8)],
            "mask": np.zeros((120, 160), np.uint8),
            "segmenter": self.segmenter,
            "times_s": 0,
            "at": 0.0,
            "frame_height": 120,
            "state_dict": weights.state_dict,
            "spec": weights.spec,
        }[parameter]

    def _told(self, name: str) -> dict[str, Any]:
        """Return arguments without which others would be refused, or work would be done."""
        if name in ("run_source", "snapshot"):
            return {"segmenter": self.segmenter, "output_dir": self.folder / "none"}
        if name == "Segmenter":
            return {"precision": "int8"}  # or calibration is refused for what it is
        if name == "save_checkpoint":
            return {"path": self.folder / "new.safetensors"}
        return {}

    def _made(self, owner: str) -> Any:
        if owner == "Segmenter":
            return self.segmenter
        if owner == "Segmentation":
            return self.segmenter(self._good("", "image"))
        if owner == "Session":
            return self.opened.enter_context(Session(self.segmenter))
        if owner == "VideoWriter":
            writer = VideoWriter(self.folder / "new.mp4", self.video)
            self.opened.callback(writer.__exit__, KeyError)
            return writer
        return {
            "Checkpoint": lambda: self.segmenter.checkpoint,
            "Frame": lambda: self._made("Segmentation").frame,
            "MediaInfo": lambda: open_source(self.video).info,
            "Measurement": lambda: cornea_stream.measure(np.full((40, 40), 255, np.uint8)),
            "OverlayStyle": OverlayStyle,
            "Report": lambda: cornea_stream.write_report(self.folder / "runs" / "surgery"),
            "RunOptions": RunOptions,
            "RunResult": lambda: run_source(self.video, self.folder / "a", self.segmenter),
        }[owner]()


@pytest.fixture
def place(tiny_checkpoint: Path, recorded: Path) -> Iterator[Place]:
    with ExitStack() as opened:
        yield Place(recorded, bright_segmenter(tiny_checkpoint), opened)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    video = write_video(folder / "surgery.mp4", moving_discs(4))
    run_source(video, folder / "runs", bright_segmenter(tiny_checkpoint), RunOptions(metrics=True))
    return folder


@pytest.mark.parametrize(("name", "parameter"), CASES, ids=[f"{n}-{p}" for n, p in CASES])
def test_wrong_types_are_named(name: str, parameter: str, place: Place) -> None:
    call = partial(place.target(name), **place.arguments(name, parameter))
    before = sorted(place.folder.rglob("*"))
    said = re.compile(rf"\b({parameter}|{OTHER_NAMES.get(parameter, parameter)})\b")
    for wrong in WRONG:
        with pytest.raises(CorneaStreamError) as raised:
            consume(call(**{parameter: wrong}))
        assert said.search(str(raised.value)), raised.value
        assert re.search(r": (give|try|use) ", str(raised.value)), raised.value
    assert sorted(place.folder.rglob("*")) == before


def consume(result: Any) -> None:
    """Take what a generator gives; it may name a wrong item only when it gets there."""
    if inspect.isgenerator(result):
        list(result)


def test_all_of_it_is_tried() -> None:
    tried = {name.partition(".")[0] for name, _ in CASES}
    assert set(public()) - tried <= MADE_BY_US - {"Segmentation"}
    assert len(CASES) > 120
