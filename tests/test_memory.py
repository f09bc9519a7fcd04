"""Memory that must not grow with the length of a video; counted in bytes, never timed."""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import av
import numpy as np
import pytest
from conftest import moving_discs, read_video, write_video

from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.frame import Frame
from cornea_stream.media.overlay import OverlayStyle
from cornea_stream.pipeline.pipeline import Progress
from cornea_stream.report.records import load_records
from cornea_stream.report.runs import open_run
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_stream.sinks import EncoderSettings, MaskVideoSink, VideoFile, mask_frame, png
from cornea_stream.sinks.stream import stream
from cornea_stream.sinks.stream.target import parse_target
from cornea_stream.sources import open_source
from cornea_stream.storage import part_path

INDEX_OF_NUT = bytes.fromhex("4e58dd672f23e64e")
"""The code with which an index begins in a NUT file."""


def held_by(module: ModuleType, work: Callable[[], object]) -> int:
    """Return the bytes that lines of `module` allocate in `work` and that stay allocated."""
    tracemalloc.start()
    try:
        work()
        only = tracemalloc.Filter(True, str(module.__file__))
        found = tracemalloc.take_snapshot().filter_traces([only])
        return sum(statistic.size for statistic in found.statistics("filename"))
    finally:
        tracemalloc.stop()


def peak_of(work: Callable[[], object]) -> int:
    """Return the most bytes that are allocated at a time in `work`."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_frames_are_remembered_in_a_few_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(png, "write_png", lambda path, image: None)
    sink = png.PngSequenceSink(tmp_path, OverlayStyle())
    video = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
    mask = np.zeros((16, 16), np.uint8)

    def write(numbers: range) -> None:
        for number in numbers:
            sink.write(Segmentation(Frame(number, number / 25, video), mask, 0.0))

    write(range(100))
    assert held_by(png, lambda: write(range(100, 5100))) < 5000 * 4


def test_pixels_are_free_as_soon_as_a_frame_is_done(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(200, 64, 48))
    alive = []

    def count(state: Progress) -> None:
        if state.frames == 200:
            alive.append(sum(isinstance(found, av.VideoFrame) for found in gc.get_objects()))

    gc.collect()
    gc.disable()  # it would hide what only it can free
    try:
        run_source(path, tmp_path / "out", segmenter, on_progress=count)
    finally:
        gc.enable()
    assert alive[0] < 60


def test_frames_that_were_not_written_are_removed(tmp_path: Path) -> None:
    written = png.FrameNumbers()
    for number in (0, 4, 1000000):
        written.add(number)
    assert [n for n in (-1, 0, 1, 4, 5, 1000000, 1000001) if n in written] == [0, 4, 1000000]
    for name in ("000004_mask.png", "000005_mask.png", "1000000_overlay.png", "0000005_mask.png"):
        (tmp_path / name).touch()
    png.FramePngs().remove_others(tmp_path, written)
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {"000004_mask.png", "1000000_overlay.png", "0000005_mask.png"}


def test_an_mp4_that_grows_keeps_no_index_of_its_fragments(tmp_path: Path) -> None:
    settings = EncoderSettings(options={"tune": "zerolatency"})
    with open_source(write_video(tmp_path / "v.mp4", moving_discs(60))) as source:
        writer = VideoFile(tmp_path / "out.mp4", source.info, settings)
        for frame in source:
            writer.encode(frame.video)
        writer.abort()  # writes the index, if there is one
    content = part_path(tmp_path / "out.mp4").read_bytes()
    assert content.count(b"moof") >= 2
    assert b"mfra" not in content


class Recorder:
    """In place of a relay: keeps what it would send."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT)

    def failure(self) -> None:
        """Nothing fails."""


def test_a_published_stream_keeps_no_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = tmp_path / "sent.nut"
    monkeypatch.setattr(stream, "Relay", lambda *_: Recorder(sent))
    target = parse_target("udp://127.0.0.1:9")
    with open_source(write_video(tmp_path / "v.mp4", moving_discs(10))) as source:
        sink = stream.StreamSink(target, source.info, MaskVideoSink.SETTINGS, mask_frame)
        for frame in source:
            sink.write(Segmentation(frame, np.zeros((120, 160), np.uint8), 0.0))
        sink.close()
    assert len(read_video(sent)) == 10
    assert INDEX_OF_NUT not in sent.read_bytes()


def test_measurements_are_read_in_a_few_numbers_per_row(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    video = write_video(tmp_path / "v.mp4", moving_discs(10))
    options = RunOptions(overlay=False, metrics=True)
    run = open_run(Path(run_source(video, tmp_path / "out", segmenter, options).folder))
    load_records(run)
    heading, *rows = (run.folder / "metrics.csv").read_text().splitlines()
    (run.folder / "metrics.csv").write_text("\n".join([heading, *rows * 500]) + "\n")
    assert peak_of(lambda: load_records(run)) < 5000 * 200
