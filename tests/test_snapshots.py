"""Single moments: three pictures of the frame shown at a time."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import disc, moving_discs, read_video, write_video

from cornea_stream.errors import OutputError, SourceError, UsageError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.postprocess.mask import iou
from cornea_stream.runs.snapshot import snapshot


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "v.mp4", moving_discs(10), options={"bf": "2", "g": "4"})


def test_the_files(video: Path, tmp_path: Path, segmenter: Segmenter) -> None:
    (found,) = snapshot(video, [0.25], tmp_path / "out", segmenter)
    assert found.time_s == pytest.approx(0.24)
    assert found.present
    assert sorted(p.name for p in found.folder.iterdir()) == [
        "Cornea.png",
        "mask.png",
        "original.png",
        "overlay.png",
    ]
    original = cv2.imread(str(found.folder / "original.png"))[..., ::-1]
    decoded = read_video(video)[6][1].to_ndarray(format="rgb24")
    assert np.array_equal(original, decoded)
    assert found.folder == tmp_path / "out" / "v" / "0.250s"
    assert (found.folder / "mask.png").read_bytes() == (found.folder / "Cornea.png").read_bytes()
    mask = cv2.imread(str(found.folder / "mask.png"), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (120, 160)
    assert iou(mask, disc(160, 120, 68, 60, 28)[1]) > 0.93
    overlay = cv2.imread(str(found.folder / "overlay.png"))[..., ::-1].astype(int)
    wanted = (decoded[60, 68] + np.array((0, 255, 0))) / 2
    assert np.abs(overlay[60, 68] - wanted).max() <= 1


def test_several_times_get_a_folder_each(video: Path, tmp_path: Path, segmenter: Segmenter) -> None:
    found = snapshot(video, [0, 0.2, 0.2], tmp_path / "out", segmenter)
    assert [s.folder.name for s in found] == ["0.000s", "0.200s"]
    assert all((s.folder / "Cornea.png").exists() for s in found)


def test_times_that_would_share_a_folder_are_refused(
    video: Path, tmp_path: Path, segmenter: Segmenter
) -> None:
    with pytest.raises(UsageError, match="less than a millisecond"):
        snapshot(video, [0.1, 0.1001], tmp_path / "out", segmenter)
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_when_one_time_is_wrong(
    video: Path, tmp_path: Path, segmenter: Segmenter
) -> None:
    with pytest.raises(UsageError, match="beyond the end"):
        snapshot(video, [0.1, 7], tmp_path / "out", segmenter)
    assert not (tmp_path / "out").exists()


def test_earlier_pictures_are_kept(video: Path, tmp_path: Path, segmenter: Segmenter) -> None:
    (found,) = snapshot(video, [0], tmp_path / "out", segmenter)
    (found.folder / "overlay.png").write_bytes(b"the user's own")
    with pytest.raises(OutputError, match="output exists"):
        snapshot(video, [0], tmp_path / "out", segmenter)
    assert (found.folder / "overlay.png").read_bytes() == b"the user's own"
    snapshot(video, [0], tmp_path / "out", segmenter, overwrite=True)
    assert (found.folder / "overlay.png").read_bytes() != b"the user's own"


def test_another_video_and_another_time_do_not_collide(
    video: Path, tmp_path: Path, segmenter: Segmenter
) -> None:
    other = write_video(tmp_path / "other.mp4", moving_discs(4))
    found = [
        snapshot(path, [time_s], tmp_path / "out", segmenter)[0].folder
        for path, time_s in ((video, 0.1), (video, 0.2), (other, 0.1))
    ]
    assert len(set(found)) == 3


def test_the_network_is_loaded_only_when_all_else_is_checked(video: Path, tmp_path: Path) -> None:
    def load() -> Segmenter:
        raise AssertionError("too early")

    with pytest.raises(UsageError, match="beyond the end"):
        snapshot(video, [7], tmp_path / "out", load)


def test_images_have_no_times(tmp_path: Path, segmenter: Segmenter) -> None:
    cv2.imwrite(str(tmp_path / "eye.png"), moving_discs(1)[0])
    with pytest.raises(SourceError, match="not a video"):
        snapshot(tmp_path / "eye.png", [0], tmp_path / "out", segmenter)
