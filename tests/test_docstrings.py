"""The examples in docstrings run and give what they say."""

from __future__ import annotations

import doctest
import importlib
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from conftest import write_video
from documents import ROOT

import cornea_stream
from cornea_stream.engines import factory
from cornea_stream.synthetic import generate_clip

MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "cornea_stream").rglob("*.py")
    if ">>> " in path.read_text("utf-8") and path.name != "__init__.py"
)
SHOWN = (
    "Segmenter",
    "Segmentation",
    "VideoWriter",
    "open_source",
    "overlay",
    "run_source",
    "measure",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the video of the examples: ten frames."""
    root = tmp_path_factory.mktemp("examples")
    images = [rgb for rgb, _ in islice(generate_clip(7, 10, height=384, width=512), 10)]
    np.save(root / "image.npy", images[0])
    write_video(root / "surgery.mp4", images)
    return root


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module(
    name: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(factory, "find_spec", lambda package: None)  # OpenVINO starts slowly
    (tmp_path / "surgery.mp4").symlink_to(folder / "surgery.mp4")
    module = importlib.import_module(name)
    public = {each: getattr(cornea_stream, each) for each in cornea_stream.__all__}
    given = {"image": np.load(folder / "image.npy"), "np": np, "Path": Path}
    examples = doctest.DocTestFinder(exclude_empty=True).find(
        module, globs={**public, **vars(module), **given}
    )
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    if "import pandas" in Path(str(module.__file__)).read_text("utf-8"):
        pytest.importorskip("pandas")
    for example in examples:
        runner.run(example)
    assert runner.summarize().attempted > 0
    assert runner.failures == 0


def test_what_people_use_first_has_examples() -> None:
    for name in SHOWN:
        assert ">>> " in (getattr(cornea_stream, name).__doc__ or ""), name
