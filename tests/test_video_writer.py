"""Videos of one's own images, with times, sound and rotation of the source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from conftest import audio_packets, disc, moving_discs, read_video, write_video

from cornea_stream import (
    CorneaStreamWarning,
    OverlayStyle,
    RunOptions,
    Segmenter,
    VideoWriter,
    open_source,
    run_source,
)
from cornea_stream.errors import OutputError, UsageError

TIMES = [0, 40, 120, 130, 300, 1000]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "v.mp4", moving_discs(6), pts=TIMES, audio="aac", title="Eye")


def rgb(frame: av.VideoFrame) -> Any:
    return frame.to_ndarray(format="rgb24").astype(int)


def copied(video: Path, target: Path, reading: Any = None, **options: Any) -> Path:
    """Write the frames of a video as they are."""
    with (
        open_source(video, **(reading or {})) as source,
        VideoWriter(target, source, **options) as writer,
    ):
        for frame in source:
            writer.write(frame, frame)
    return target


def test_it_is_what_run_writes(segmenter: Segmenter, video: Path, tmp_path: Path) -> None:
    options = RunOptions(contour=True, crf=5)
    overlay = Path(run_source(video, tmp_path / "out", segmenter, options).folder) / "overlay.mp4"
    with open_source(video) as source, VideoWriter(tmp_path / "o.mp4", source, crf=5) as writer:
        for found in segmenter.stream(source):
            writer.write(found.overlay(OverlayStyle(contour=True)), found.frame)
    assert audio_packets(tmp_path / "o.mp4") == audio_packets(overlay) != []
    ours, theirs = read_video(tmp_path / "o.mp4"), read_video(overlay)
    assert [time for time, _ in ours] == [time for time, _ in theirs]
    for (_, mine), (_, other) in zip(ours, theirs, strict=True):
        assert (mine.colorspace, mine.color_range) == (other.colorspace, other.color_range)
        difference = np.abs(rgb(mine) - rgb(other))
        assert difference.mean() < 1.5
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert container.metadata["title"] == "Eye"


def test_a_part_has_the_sound_of_the_part(video: Path, tmp_path: Path) -> None:
    copied(video, tmp_path / "part.mp4", reading={"start_s": 0.1, "end_s": 0.5})
    assert [t for t, _ in read_video(tmp_path / "part.mp4")] == pytest.approx([0.02, 0.03, 0.2])
    sound = [time for time, _ in audio_packets(tmp_path / "part.mp4")]
    assert 0 <= sound[0] < 0.03
    assert 0.3 < sound[-1] < 0.4


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turned", [90, 180, 270])
def test_turned_videos_stay_turned(tmp_path: Path, turned: int, mirrored: bool) -> None:
    stored, _ = disc(160, 120, 45, 75, 28)
    path = write_video(
        tmp_path / "v.mp4", [stored] * 2,
        prepare=lambda s: s.set_display_rotation(turned, hflip=mirrored),
    )  # fmt: skip
    with open_source(copied(path, tmp_path / "o.mp4")) as ours, open_source(path) as theirs:
        assert ours.info.orientation == theirs.info.orientation
        for mine, other in zip(ours, theirs, strict=True):
            assert np.abs(mine.rgb().astype(int) - other.rgb()).mean() < 2


@pytest.mark.parametrize("matrix", [2, 1, 6, 9])
@pytest.mark.parametrize("colors", [1, 2])
def test_colors_are_those_of_the_source(tmp_path: Path, matrix: int, colors: int) -> None:
    def tag(stream: av.VideoStream) -> None:
        stream.codec_context.colorspace = matrix
        stream.codec_context.color_range = colors

    image = np.full((64, 96, 3), (200, 60, 90), np.uint8)
    path = write_video(tmp_path / "v.mp4", [image] * 2, prepare=tag)
    with open_source(copied(path, tmp_path / "o.mp4")) as ours, open_source(path) as theirs:
        assert ours.info.colorspace == theirs.info.colorspace
        assert ours.info.color_range == theirs.info.color_range
        for mine, other in zip(ours, theirs, strict=True):
            assert np.abs(mine.rgb().astype(int) - other.rgb()).max() < 6


@pytest.mark.parametrize("size", [(33, 47), (48, 64)])
def test_lossless_sources_of_any_size(tmp_path: Path, size: tuple[int, int]) -> None:
    image = np.full((*size, 3), (200, 60, 90), np.uint8)
    path = write_video(tmp_path / "v.mkv", [image] * 2, codec="ffv1", pix_fmt="bgr0")
    with open_source(copied(path, tmp_path / "o.mkv")) as source:
        for frame in source:
            assert np.abs(frame.rgb()[: size[0], : size[1]].astype(int) - image).max() < 6


def test_images_of_opencv_at_times_in_seconds(video: Path, tmp_path: Path) -> None:
    capture = cv2.VideoCapture(str(video))
    with VideoWriter(tmp_path / "o.mp4", video, color="bgr", audio=False) as writer:
        while True:
            read, image = capture.read()
            if not read:
                break
            writer.write(image, capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    assert [round(1000 * time) for time, _ in read_video(tmp_path / "o.mp4")] == TIMES
    (_, first), *_ = read_video(tmp_path / "o.mp4")
    assert np.abs(first.to_ndarray(format="rgb24").astype(int) - moving_discs(1)[0]).mean() < 3
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert not container.streams.audio


def test_nothing_is_replaced_unasked(video: Path, tmp_path: Path) -> None:
    target = tmp_path / "o.mp4"
    target.write_text("mine")
    with pytest.raises(OutputError, match=r"output exists: .*o\.mp4: pass overwrite=True"):
        VideoWriter(target, video)
    assert target.read_text() == "mine"
    copied(video, target, overwrite=True)
    assert len(read_video(target)) == 6
    before = video.read_bytes()
    with pytest.raises(OutputError, match="output would replace the input"):
        VideoWriter(video, video, overwrite=True)
    assert video.read_bytes() == before


def test_an_error_leaves_no_file_under_the_name(video: Path, tmp_path: Path) -> None:
    def fail() -> None:
        with VideoWriter(tmp_path / "o.mp4", video) as writer:
            writer.write(moving_discs(1)[0], 0)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert not (tmp_path / "o.mp4").exists()


def test_a_video_without_images(video: Path, tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "o.mp4", video)
    with pytest.raises(OutputError, match=r"no images were written: .*o\.mp4"):
        writer.close()
    assert not (tmp_path / "o.mp4").exists()


def test_what_was_changed_is_reported(video: Path, tmp_path: Path) -> None:
    def change() -> None:
        with VideoWriter(tmp_path / "o.mp4", video) as writer:
            for index, height in enumerate((120, 60)):
                writer.write(np.zeros((height, 160, 3), np.uint8), index / 25)

    with pytest.warns(CorneaStreamWarning, match="the frame size changed") as caught:
        change()
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("o.avi", "v.mp4"), r"path must end in \.mp4, \.mkv or \.nut: o\.avi"),
        ((None, "v.mp4"), "path cannot be of type NoneType"),
        (("o.mp4", None), "source cannot be of type NoneType: give an open source"),
        (("o.mp4", moving_discs(1)), "source cannot be of type list: give an open source"),
        (("o.mp4", "v.mp4", {"codec": 5}), "codec cannot be of type int"),
        (("o.mp4", "v.mp4", {"codec": "h265x"}), "unknown video encoder"),
        (("o.mp4", "v.mp4", {"audio": "yes"}), "audio cannot be of type str: give True or False"),
        (("o.mp4", "v.mp4", {"color": "red"}), "color must be rgb or bgr"),
    ],
)
def test_wrong_arguments(
    arguments: Any, message: str, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path, source, *options = arguments
    with pytest.raises(UsageError, match=message):
        VideoWriter(path, source, **(options[0] if options else {}))
    assert [file.name for file in tmp_path.iterdir()] == ["v.mp4"]


def test_wrong_images_and_times(video: Path, tmp_path: Path) -> None:
    image = moving_discs(1)[0]
    with VideoWriter(tmp_path / "o.mp4", video) as writer:
        for given, message in (
            ((None, 0), "image cannot be None"),
            ((image, None), "at cannot be of type NoneType: give a Frame or seconds"),
            ((image, float("nan")), "at cannot be of type float"),
        ):
            with pytest.raises(UsageError, match=message):
                writer.write(*given)  # type: ignore[arg-type]
        writer.write(image, 0.5)
        with pytest.raises(UsageError, match=r"at must increase: 0\.4 s after 0\.5 s"):
            writer.write(image, 0.4)
