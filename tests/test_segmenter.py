"""The public object, as a notebook uses it."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from conftest import disc, moving_discs, needs_bf16, write_video

import cornea_stream
from cornea_stream import Segmenter, Session, load_checkpoint, open_source, run_source, snapshot
from cornea_stream.errors import CheckpointError, SourceError, UsageError
from cornea_stream.media.image_input import as_frame
from cornea_stream.postprocess.mask import iou
from cornea_stream.sources import VideoSource


def test_a_path_an_array_and_video_frames_give_the_same(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    path = write_video(tmp_path / "v.mkv", moving_discs(5), codec="ffv1", pix_fmt="bgr0")
    from_path = list(segmenter.stream(path))
    from_arrays = list(segmenter.stream(moving_discs(5)))
    with av.open(str(path)) as container:
        from_frames = list(segmenter.stream(container.decode(video=0)))
    for index, (a, b, c) in enumerate(zip(from_path, from_arrays, from_frames, strict=True)):
        assert np.array_equal(a.mask, b.mask)
        assert np.array_equal(a.mask, c.mask)
        for found in (a, b, c):
            assert np.array_equal(found.frame.rgb(), moving_discs(5)[index])
        assert a.frame.index == b.frame.index == index
        assert a.frame.time_s == pytest.approx(b.frame.time_s, abs=1e-3)
        assert iou(a.mask, disc(160, 120, 50 + 3 * index, 60, 28)[1]) > 0.93
        assert a.present
        assert 0.5 < a.confidence <= 1


def test_one_picture(segmenter: Segmenter) -> None:
    picture, mask = disc(160, 120, 70, 60, 30)
    assert iou(segmenter(picture).mask, mask) > 0.93


def test_streams_are_lazy(segmenter: Segmenter) -> None:
    taken = 0

    def endless() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield moving_discs(1)[0]

    stream = segmenter.stream(endless())  # type: ignore[arg-type]
    for _ in range(5):
        next(stream)
    assert taken <= 5 + segmenter.engine.batch_size * segmenter.engine.in_flight + 2


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_a_stream_may_be_given_up(tiny_checkpoint: Path, backend: str) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    segmenter = Segmenter(tiny_checkpoint, device="cpu", backend=backend, raw=True)
    expected = [s.mask for s in segmenter.stream(moving_discs(5))]
    for _ in range(3):
        next(segmenter.stream(moving_discs(5)))
    again = [s.mask for s in segmenter.stream(moving_discs(5))]
    assert all(np.array_equal(a, b) for a, b in zip(again, expected, strict=True))


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_streams_and_sessions_share_a_segmenter(tiny_checkpoint: Path, backend: str) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    segmenter = Segmenter(
        tiny_checkpoint, device="cpu", backend=backend, precision="fp32", raw=True
    )
    walks = [moving_discs(8), moving_discs(8)[::-1], [p[::-1].copy() for p in moving_discs(8)]]

    def logits(walk: list[np.ndarray]) -> Iterator[np.ndarray]:
        frames = (as_frame(i, picture, i / 25) for i, picture in enumerate(walk))
        return (p.logits for p in segmenter.stages.predict(map(segmenter.stages.prepare, frames)))

    alone = [list(logits(walk)) for walk in walks]
    assert not np.allclose(alone[0], alone[1])
    by_turns = zip(*map(logits, walks), strict=True)
    for turn, expected in zip(by_turns, zip(*alone, strict=True), strict=True):
        np.testing.assert_array_equal(turn, expected)
    with Session(segmenter) as session, ThreadPoolExecutor(3) as pool:
        futures = [session.submit(picture) for picture in walks[2][:1] * 2]
        together = pool.map(lambda walk: list(logits(walk * 3)), walks)
        for found, expected in zip(together, alone, strict=True):
            np.testing.assert_array_equal(found, expected * 3)
        mask = segmenter(walks[2][0]).mask
        assert all(np.array_equal(future.result(30).mask, mask) for future in futures)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7])
def test_every_remainder_of_a_batch_arrives(segmenter: Segmenter, count: int) -> None:
    assert [s.frame.index for s in segmenter.stream(moving_discs(count))] == list(range(count))


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=needs_bf16)])
def test_batches_do_not_change_masks(tiny_checkpoint: Path, precision: str) -> None:
    pictures = moving_discs(7)
    one = Segmenter(tiny_checkpoint, device="cpu", precision=precision, batch_size=1, raw=True)
    many = Segmenter(tiny_checkpoint, device="cpu", precision=precision, batch_size=4, raw=True)
    for a, b in zip(one.stream(pictures), many.stream(pictures), strict=True):
        assert iou(a.mask, b.mask) > 0.98


def test_settings_that_make_no_sense(tiny_checkpoint: Path) -> None:
    for settings, message in (
        ({"threshold": 0.0}, "threshold must be between"),
        ({"threshold": math.nan}, "threshold must be between"),
        ({"threshold": 1}, "threshold must be between"),
        ({"batch_size": 0}, "batch_size must be between 1 and 1024"),
        ({"batch_size": 10**20}, "batch_size must be between 1 and 1024"),
        ({"batch_size": 2.5}, "batch_size must be between 1 and 1024"),
        ({"backend": "tpu"}, "unknown backend"),
        ({"threshold": "0.5"}, "threshold cannot be of type str: give a number"),
        ({"raw": 1}, "raw cannot be of type int: give True or False"),
        ({"precision": None}, "precision cannot be of type NoneType"),
        ({"device": None}, "device cannot be of type NoneType"),
        ({"device": "tpu"}, "unknown device"),
        ({"device": "mps:1:2"}, "unknown device"),
        ({"device": "cuda:77"}, "no such GPU"),
        ({"precision": "int3"}, "unknown precision"),
        ({"precision": "fp16", "device": "cpu", "backend": "torch"}, "fp16 needs a GPU"),
    ):
        with pytest.raises(UsageError, match=message):
            Segmenter(tiny_checkpoint, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("source", [None, True, 2.5, io.BytesIO()])
def test_what_is_no_source_is_named(segmenter: Segmenter, source: Any, tmp_path: Path) -> None:
    message = rf"source cannot be of type {type(source).__name__}: give a path"
    with pytest.raises(UsageError, match=message):
        segmenter.stream(source)
    with pytest.raises(UsageError, match=message):
        open_source(source)
    with pytest.raises(UsageError, match=message):
        run_source(source, tmp_path, segmenter)
    with pytest.raises(UsageError, match=f"video cannot be of type {type(source).__name__}"):
        snapshot(source, [0], tmp_path, segmenter)


@pytest.mark.parametrize("times", [None, [None], [[1]], np.zeros((2, 2))])
def test_what_are_no_times_is_named(segmenter: Segmenter, times: Any, tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(2))
    with pytest.raises(UsageError, match=r"cannot be of type .*: give .*seconds"):
        snapshot(path, times, tmp_path / "out", segmenter)
    with pytest.raises(UsageError, match="not a time"), VideoSource(path) as source:
        source.frame_at(math.nan)


@pytest.mark.parametrize("time", [0.05, "0:00.05", np.float32(0.05), ["0.05s"]])
def test_a_snapshot_of_one_time_however_it_is_written(
    time: Any, segmenter: Segmenter, tmp_path: Path
) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(3))
    (found,) = snapshot(path, time, tmp_path / "out", segmenter)
    assert found.time_s == pytest.approx(0.04)
    assert found.folder == tmp_path / "out" / "v" / "0.050s"
    assert (found.folder / "overlay.png").exists()


def test_what_a_session_cannot_start_with(segmenter: Segmenter) -> None:
    with pytest.raises(UsageError, match="segmenter cannot be of type NoneType"):
        Session(None)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="depth must be 1 or more: 0"):
        Session(segmenter, depth=0)
    with Session(segmenter) as session:  # it was left free
        assert session.submit(moving_discs(1)[0]).result(60).present


def test_wrong_inputs(segmenter: Segmenter, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="input not found"):
        next(segmenter.stream(tmp_path / "none.mp4"))
    with pytest.raises(CheckpointError):
        Segmenter(tmp_path / "none.pth")


def test_a_loaded_checkpoint_is_taken_as_it_is(tiny_checkpoint: Path) -> None:
    loaded = load_checkpoint(tiny_checkpoint)
    assert Segmenter(loaded, device="cpu").checkpoint is loaded


def test_everything_that_is_promised_is_there() -> None:
    # Pulls every module in: none may hide a function of its name.
    import cornea_stream.cli.rendering

    assert {"Segmenter", "Session", "open_source", "run_source"} <= set(dir(cornea_stream))
    for name in cornea_stream.__all__:
        assert callable(getattr(cornea_stream, name)), name
        assert getattr(cornea_stream, name).__doc__
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = cornea_stream.Nonsense


def test_the_version_is_that_of_the_package() -> None:
    assert cornea_stream.__version__ == metadata.version("cornea-stream")
