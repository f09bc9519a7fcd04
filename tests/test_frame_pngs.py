"""The PNGs of frames: which, and what they are named after."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import moving_discs, write_video

from cornea_stream.errors import UsageError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source


def names(video: Path, out: Path, segmenter: Segmenter, **chosen: object) -> list[str]:
    options = RunOptions(overlay=False, frames=True, overwrite=True, **chosen)  # type: ignore[arg-type]
    run_source(video, out, segmenter, options)
    return sorted(path.name for path in (out / video.stem / "frames").iterdir())


def test_kinds_and_names_and_leftovers_of_others(tmp_path: Path, segmenter: Segmenter) -> None:
    video = write_video(tmp_path / "eye.mp4", moving_discs(3), pts=[0, 40, 1_500_040])
    out = tmp_path / "out"
    assert names(video, out, segmenter, frame_overlays=False) == [
        f"00000{number}_mask.png" for number in range(3)
    ]
    assert names(video, out, segmenter, frame_masks=False) == [
        f"00000{number}_overlay.png" for number in range(3)
    ]
    (out / "eye" / "frames" / "mine.png").touch()
    assert names(video, out, segmenter, frame_masks=False, name_by="time") == [
        "000000.000000s_overlay.png",
        "000000.040000s_overlay.png",
        "001500.040000s_overlay.png",
        "mine.png",
    ]
    by_time = names(video, out, segmenter, name_by="time", end_s=1.0)
    assert by_time == [
        *(f"000000.0{time}0000s_{kind}.png" for time in "04" for kind in ("mask", "overlay")),
        "mine.png",
    ]


def test_wrong_choices() -> None:
    with pytest.raises(UsageError, match="unknown name_by"):
        RunOptions(name_by="hour")
    with pytest.raises(UsageError, match="no PNGs"):
        RunOptions(frame_masks=False, frame_overlays=False)
