"""Options of a run that are out of range or impossible are refused before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import moving_discs, write_video

from cornea_stream.errors import UsageError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source


def test_impossible_options_are_refused_before_any_work(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(2))
    for options, message in (
        (RunOptions(overlay=False), "nothing to write: choose overlay=True, mask=True"),
        (RunOptions(files=False), "nothing to write.*leave out files=False"),
        (RunOptions(files=False, jsonl="-", metrics=True), "metrics is for files"),
        (RunOptions(frame_overlays=False), "frame_overlays=False is for the PNGs of every frame"),
        (RunOptions(overlay=False, mask=True, label=False), "label=False is for overlays"),
        (RunOptions(codec="h266000"), "unknown video encoder"),
        (RunOptions(codec="aac"), "not a video encoder"),
        (RunOptions(preset="warp"), "libx264 refuses these settings"),
        (RunOptions(codec="mpeg4", crf=3), "mpeg4 has no option crf"),
    ):
        with pytest.raises(UsageError, match=message):
            run_source(path, tmp_path / "out", segmenter, options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -2])
@pytest.mark.parametrize(
    "name",
    ["start_s", "end_s", "every", "opacity", "crf", "max_megapixels", "reconnect_s", "mm_per_px",
     "white_to_white_mm"],
)  # fmt: skip
def test_numbers_out_of_range_are_refused(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=rf"^{name} must (lie|be) .*: {value}: try "):
        RunOptions(**{name: value})


@pytest.mark.parametrize("value", ["a lot", True, [1]])
@pytest.mark.parametrize("name", ["every", "opacity", "crf", "max_megapixels", "reconnect_s"])
def test_what_are_no_numbers_is_named(name: str, value: Any) -> None:
    kind = type(value).__name__
    with pytest.raises(UsageError, match=rf"^{name} cannot be of type {kind}: give an? .*such as"):
        RunOptions(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("opacity", 1.5, "opacity must be between 0 and 1"),
        ("every", 1.5, "every must be 1 or more: 1.5: try 2"),
        ("max_megapixels", 2148, "max_megapixels must be between 0 and 2147"),
        ("color", "mud", "unknown color"),
        ("color", 255, "color cannot be of type int"),
        ("mask", "yes", "mask cannot be of type str: give True or False"),
    ],
)
def test_options_out_of_range_are_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        RunOptions(**{name: value})
