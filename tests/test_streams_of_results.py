"""Whatever gives frames can be streamed; warnings reach the caller; live sources stay live."""

from __future__ import annotations

import io
import sys
import threading
import warnings
from collections.abc import Iterator
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from conftest import BrightnessEngine, moving_discs, write_video

from cornea_stream import (
    CorneaStreamWarning,
    RunOptions,
    Segmenter,
    open_source,
    run_source,
)
from cornea_stream.errors import SourceError, UsageError
from cornea_stream.media.address import Address, find_address
from cornea_stream.media.frame import Frame, MediaInfo
from cornea_stream.sources.base import Source
from cornea_stream.sources.capture import CaptureSource

TIMES = [0, 40, 120, 130, 300, 1000]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A video of six frames at uneven times."""
    return write_video(tmp_path / "v.mp4", moving_discs(6), pts=TIMES)


def times(results: Iterator[Any]) -> list[int]:
    return [round(1000 * found.frame.time_s) for found in results]


def test_a_capture_gives_the_frames_and_times_of_the_file(
    segmenter: Segmenter, video: Path
) -> None:
    capture = cv2.VideoCapture(str(video))
    found = list(segmenter.stream(capture))
    expected = list(segmenter.stream(video))
    assert times(iter(found)) == TIMES
    for ours, theirs in zip(found, expected, strict=True):
        difference = ours.frame.rgb().astype(int) - theirs.frame.rgb()
        assert np.abs(difference).mean() < 3  # swapped channels differ by 20 and more
    assert capture.isOpened()  # it is the caller's
    assert list(segmenter.stream(capture)) == []


def test_a_part_of_a_capture(segmenter: Segmenter, video: Path) -> None:
    capture = cv2.VideoCapture(str(video))
    assert times(segmenter.stream(capture, start_s=0.1, end_s="1", every=2)) == [120, 300]


def test_a_capture_that_is_closed(segmenter: Segmenter, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"cv2\.VideoCapture is not open"):
        list(segmenter.stream(cv2.VideoCapture(str(tmp_path / "none.mp4"))))


class Camera:
    """A camera of OpenCV: it has no number of frames and no times."""

    def __init__(self, count: int) -> None:
        self.left = count

    def isOpened(self) -> bool:  # noqa: N802 (OpenCV's name)
        return True

    def getBackendName(self) -> str:  # noqa: N802
        return "V4L2"

    def get(self, prop: int) -> float:
        return {cv2.CAP_PROP_FRAME_WIDTH: 160.0, cv2.CAP_PROP_FRAME_HEIGHT: 120.0}.get(prop, 0.0)

    def read(self, image: Any = None) -> Any:
        self.left -= 1
        return (True, moving_discs(1)[0]) if self.left >= 0 else (False, None)


def test_a_camera_of_opencv_is_live() -> None:
    with CaptureSource(Camera(3)) as source:  # type: ignore[arg-type]
        assert source.is_live
        read = list(source)
    assert len(read) == 3
    assert read[0].time_s == 0
    assert [frame.time_s for frame in read] == sorted({frame.time_s for frame in read})


class GateSource(Source):
    """A live source: each frame arrives after the network has been asked for the one before."""

    is_live = True

    def __init__(self, count: int) -> None:
        self.info = MediaInfo(None, "stream", 160, 120, "rgb24", Fraction(1, 1000), Fraction(25))
        self.arrived = threading.Semaphore(0)
        self._frames = iter(range(count))
        self.ended = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        for index in self._frames:
            self.arrived.acquire()
            video = av.VideoFrame.from_ndarray(moving_discs(1)[0], format="rgb24")
            yield Frame(index, index / 25, video)
        self.ended.set()

    def close(self) -> None:
        """Nothing is open."""

    @property
    def frame_estimate(self) -> None:
        """Unknown."""

    @property
    def warnings(self) -> list[str]:
        return ["one packet was lost"]

    @property
    def damaged_s(self) -> list[tuple[float, float]]:
        return []


def test_live_frames_that_nobody_took_are_dropped(segmenter: Segmenter) -> None:
    source = GateSource(100)
    stream = segmenter.stream(source, on_warning=lambda _: None)
    source.arrived.release()
    assert next(stream).frame.index == 0
    source.arrived.release(99)
    assert source.ended.wait(60)
    rest = [found.frame.index for found in stream]
    assert rest == sorted(rest)
    assert rest[-1] == 99  # the newest is never dropped
    assert len(rest) < 20
    assert threading.active_count() == 1 or not any(
        thread.name in ("decode", "submit") for thread in threading.enumerate()
    )


def test_a_live_stream_that_is_given_up_ends_its_threads(segmenter: Segmenter) -> None:
    source = GateSource(5)
    source.arrived.release(5)
    for _ in segmenter.stream(source, on_warning=lambda _: None):
        break
    assert not any(thread.name in ("decode", "submit") for thread in threading.enumerate())


def test_warnings_reach_the_caller(segmenter: Segmenter, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for index, image in enumerate(moving_discs(2)):
        cv2.imwrite(str(folder / f"{index}.png"), image)
    (folder / "2.png").write_bytes(b"no image")
    heard: list[str] = []
    assert len(list(segmenter.stream(folder, on_warning=heard.append))) == 2
    assert any("2.png" in sentence for sentence in heard)
    with pytest.warns(CorneaStreamWarning, match=r"2\.png") as caught:
        assert len(list(segmenter.stream(folder))) == 2
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(segmenter.stream(moving_discs(1)))


def test_warnings_of_a_stream_that_is_given_up(segmenter: Segmenter) -> None:
    heard: list[str] = []
    stream = segmenter.stream(GateSource(0), on_warning=heard.append)
    assert list(stream) == []
    assert heard == ["one packet was lost"]


def test_an_open_source_stays_open(segmenter: Segmenter, video: Path) -> None:
    with open_source(video, start_s="0.1s", every=2) as source:
        assert times(segmenter.stream(source)) == [120, 300]
        assert source.frame_at(1.0).index >= 0  # type: ignore[attr-defined]


def test_standard_input(
    segmenter: Segmenter, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    piped = write_video(tmp_path / "v.mkv", moving_discs(6), pts=TIMES)
    for source in ("-", "file", "buffer"):
        with piped.open() as file:
            monkeypatch.setattr(sys, "stdin", file)
            given = {"-": "-", "file": file, "buffer": file.buffer}[source]
            assert times(segmenter.stream(given)) == TIMES  # type: ignore[arg-type]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="V4L2")
def test_cameras_by_number(segmenter: Segmenter) -> None:
    assert find_address(0) == find_address(np.int64(0)) == Address("camera", "/dev/video0")
    with pytest.raises(SourceError, match=r"/dev/video99: .*plugged in"):
        next(segmenter.stream(99))
    with pytest.raises(UsageError, match="no camera has this number here: -1"):
        segmenter.stream(-1)


@pytest.mark.parametrize("time", ["0:00.1", "0.1s", 0.1, np.float32(0.1), timedelta(seconds=0.1)])
def test_times_as_people_write_them(
    time: Any, segmenter: Segmenter, video: Path, tmp_path: Path
) -> None:
    assert times(segmenter.stream(video, start_s=time)) == TIMES[2:]
    assert times(segmenter.stream(video, end_s=time)) == TIMES[:2]
    result = run_source(video, tmp_path / "out", segmenter, RunOptions(start_s=time, metrics=True))
    assert result.frames == 4
    again = run_source(
        video, tmp_path / "out", segmenter, RunOptions(start_s=time, metrics=True, resume=True)
    )
    assert again.status == "skipped"


def test_every_of_any_source(segmenter: Segmenter, video: Path) -> None:
    images = moving_discs(6)
    assert times(segmenter.stream(images, every=2)) == [0, 80, 160]
    assert times(segmenter.stream(video, every=np.int64(4))) == [0, 300]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"end_s": 1}, "end_s is for sources that are opened here"),
        ({"start_s": "1:30"}, "start_s is for sources that are opened here"),
        ({"start_s": [1]}, "start_s cannot be of type list: give seconds"),
        ({"start_s": "soon"}, "not a time: 'soon'"),
        ({"end_s": True}, "end_s cannot be of type bool"),
        ({"every": 0}, "every must be 1 or more"),
        ({"every": "2"}, "every cannot be of type str: give an integer"),
        ({"on_warning": "print"}, "on_warning cannot be of type str: give a function"),
        ({"progress": 1}, "progress cannot be of type int: give True or False"),
    ],
)
def test_options_are_checked_before_the_first_frame(
    options: dict[str, Any], message: str, segmenter: Segmenter
) -> None:
    with pytest.raises(UsageError, match=message):
        segmenter.stream(moving_discs(1), **options)


def test_options_of_an_open_source(segmenter: Segmenter, video: Path) -> None:
    with open_source(video) as source:
        for options in ({"start_s": 0.1}, {"every": 2}):
            with pytest.raises(UsageError, match="is for sources that are opened here"):
                segmenter.stream(source, **options)  # type: ignore[arg-type]


def test_progress_counts_frames(
    segmenter: Segmenter, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    list(segmenter.stream(video, progress=True))
    assert "6/6" in capsys.readouterr().err
    run_source(video, tmp_path / "out", segmenter, progress=True)
    assert "6/6" in capsys.readouterr().err
    run_source(video, tmp_path / "out2", segmenter)
    assert capsys.readouterr().err == ""


def test_a_run_with_swapped_arguments(segmenter: Segmenter, video: Path, tmp_path: Path) -> None:
    for arguments, message in (
        ((segmenter, video), "source cannot be of type Segmenter: give a path"),
        ((video, segmenter), "output_dir cannot be of type Segmenter: give the path of a folder"),
        ((video, tmp_path, RunOptions()), "segmenter cannot be of type RunOptions"),
        ((video, tmp_path, segmenter, {"mask": True}), "options cannot be of type dict"),
        ((cv2.VideoCapture(str(video)), tmp_path), "source cannot be of type VideoCapture"),
    ):
        with pytest.raises(UsageError, match=message):
            run_source(*arguments)  # type: ignore[arg-type]
    for name, value in (("stop", True), ("on_progress", 5), ("on_start", 5), ("on_note", 5)):
        with pytest.raises(UsageError, match=rf"{name} cannot be of type (bool|int): give a"):
            run_source(video, tmp_path / "o", segmenter, **{name: value})  # type: ignore[arg-type]
    assert not (tmp_path / "o").exists()
    with pytest.raises(UsageError, match="device cannot be of type BytesIO"):
        Segmenter(device=io.BytesIO())  # type: ignore[arg-type]


@pytest.mark.parametrize("images", [0, None, cv2.VideoCapture(), GateSource(1)])
def test_a_list_is_no_source(images: Any, segmenter: Segmenter) -> None:
    kind = type(images).__name__
    with pytest.raises(UsageError, match=f"images cannot be of type {kind}: give a list or batch"):
        segmenter.predict(images)


def test_engines_are_asked_for_batches(segmenter: Segmenter) -> None:
    assert isinstance(segmenter.engine, BrightnessEngine)
    assert "Segmenter(backend test, device none" in repr(segmenter)
