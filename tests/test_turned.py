"""Videos that are stored turned are shown as they were filmed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import disc, moving_discs, write_video

from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_stream.sources import open_source


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_turned_videos_show_what_was_filmed(
    tmp_path: Path, segmenter: Segmenter, turned: int, mirrored: bool
) -> None:
    """The input as players show it, upright, against the frames and the outputs as they do."""
    stored, mask = disc(160, 120, 45, 75, 28)
    path = write_video(
        tmp_path / "v.mp4", [stored] * 2,
        prepare=lambda s: s.set_display_rotation(turned, hflip=mirrored),
    )  # fmt: skip
    picture, truth = (np.rot90(image, turned // 90).astype(int) for image in (stored, mask))
    if mirrored:
        picture, truth = picture[:, ::-1], truth[:, ::-1]
    with open_source(path) as source:
        for frame in source:
            assert np.abs(frame.rgb() - picture).mean() < 2
    folder = Path(run_source(path, tmp_path / "o", segmenter, RunOptions(mask=True)).folder)
    with open_source(folder / "mask.mkv") as source:
        for frame in source:
            assert np.abs(frame.rgb()[..., 0] - truth).mean() < 8
    with open_source(folder / "overlay.mp4") as source:
        for frame in source:
            image = frame.rgb()
            inside, legend = truth > 0, np.s_[:16, :70]
            green = np.add(picture, (0, 255, 0)) / 2
            wanted = np.where(inside[..., None], green, picture)
            assert image[legend].max() > 240 > 30 > image[legend].min()
            image[legend] = wanted[legend]
            assert np.abs(image - wanted).mean() < 4


@pytest.mark.parametrize(("tag", "turned"), [(44, 0), (100, 90)])
def test_turned_by_a_crooked_angle(
    tmp_path: Path, segmenter: Segmenter, tag: int, turned: int
) -> None:
    path = write_video(
        tmp_path / "eye.mp4", moving_discs(3), prepare=lambda s: s.set_display_rotation(tag)
    )
    assert run_source(path, tmp_path / "out", segmenter).frames == 3
    with open_source(path) as source:
        assert source.info.rotation == turned


def test_a_matrix_of_zeros_turns_nothing(tmp_path: Path, segmenter: Segmenter) -> None:
    stored, _ = disc(160, 120, 45, 75, 28)
    path = write_video(
        tmp_path / "v.mp4", [stored] * 2, prepare=lambda s: s.set_display_matrix([0] * 9)
    )
    for video in (path, Path(run_source(path, tmp_path / "o", segmenter).folder) / "overlay.mp4"):
        with open_source(video) as source:
            frame = next(iter(source))
            assert (source.info.orientation, frame.size) == ((0, False), (120, 160))
            assert np.abs(frame.rgb()[105:] - stored[105:].astype(int)).max() < 6
