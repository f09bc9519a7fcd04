"""Where a video cannot be cut exactly, it is not cut there: damage, lost packets, odd keyframes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from chunks_compared import (
    CODECS,
    EVERYTHING,
    OPEN_GOP,
    VFR,
    X264,
    assert_equal,
    both,
    damage,
    eyes,
    segments_of,
)
from conftest import read_video, write_video

from cornea_stream.chunks.chunk_source import ChunkSource
from cornea_stream.chunks.cuts import plan_chunks
from cornea_stream.inference.segmenter import Segmenter


def mux_again(source: Path, target: Path, change: Callable[[int, av.Packet], bool]) -> Path:
    """Copy the picture packets of a file; `change` gets number and packet, and says if to keep."""
    with (
        av.open(str(source)) as given,
        av.open(str(target), "w", options={"avoid_negative_ts": "disabled"}) as container,
    ):
        stream = container.add_stream_from_template(given.streams.video[0])
        packets = [packet for packet in given.demux(video=0) if packet.size]
        for number, packet in enumerate(packets):
            if change(number, packet):
                packet.stream = stream
                container.mux(packet)
    return target


def test_times_before_zero(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(
        tmp_path / "v.mkv", eyes(), pts=[pts - 77 for pts in VFR], codec="ffv1",
        options={"g": "10"}, muxing={"avoid_negative_ts": "disabled"},
    )  # fmt: skip
    whole, cut = both(path, segmenter)
    assert not [text for text in cut.warnings if "begins at" in text]
    assert len(segments_of(cut)) > 2
    assert_equal(whole, cut)


@pytest.mark.parametrize("lost", [{13}, {19}, {21}, {20}, {30, 31}, set(range(40))])
@pytest.mark.parametrize("every", [1, 3])
def test_lost_packets(tmp_path: Path, segmenter: Segmenter, lost: set[int], every: int) -> None:
    """References are missing, and here and there the keyframe at which a cut would lie."""
    segmenter.smooth = True
    path = write_video(tmp_path / "a.mkv", eyes(), options=OPEN_GOP)
    mux_again(path, tmp_path / "v.mkv", lambda number, packet: number not in lost)
    whole, cut = both(tmp_path / "v.mkv", segmenter, replace(EVERYTHING, every=every))
    assert_equal(whole, cut)


@pytest.mark.parametrize("every", [1, 2, 3])
def test_frames_that_the_decoder_does_not_show(
    tmp_path: Path, segmenter: Segmenter, every: int
) -> None:
    """A recording that was cut at an open GOP begins with pictures whose references are gone."""
    options = CODECS["libx265"][1]
    whole_file = write_video(tmp_path / "a.mkv", eyes(70), codec="libx265", options=options)
    with av.open(str(whole_file)) as container:
        keys = [n for n, packet in enumerate(container.demux(video=0)) if packet.is_keyframe]
    path = tmp_path / "v.mkv"
    mux_again(whole_file, path, lambda number, packet: number >= keys[1])
    whole, cut = both(path, segmenter, replace(EVERYTHING, every=every))
    with av.open(str(path)) as container:
        planned = sum(packet.size > 0 for packet in container.demux(video=0))
    shown = len(read_video(path))
    assert shown < planned
    said = [text for text in cut.warnings if text.startswith("not cut at ")]
    assert (len(segments_of(cut)) > 2) == (not said) == ((planned - shown) % every == 0)
    assert_equal(whole, cut, *said)


@pytest.mark.parametrize("astray", [False, True])
def test_keyframes_that_are_none(
    tmp_path: Path, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch, astray: bool
) -> None:
    """A container that calls every picture a keyframe: decoding from there shows other pictures."""

    def lie(number: int, packet: av.Packet) -> bool:
        packet.is_keyframe = True
        return True

    path = write_video(tmp_path / "a.mp4", eyes(), codec="mpeg4", options={"g": "600"})
    mux_again(path, tmp_path / "v.mp4", lie)
    if astray:  # what if the decoder believed it too
        monkeypatch.setattr(ChunkSource, "_decoded_until", ChunkSource._decoded)
    whole, cut = both(tmp_path / "v.mp4", segmenter)
    assert len(plan_chunks(tmp_path / "v.mp4", 0.5).chunks) == 5
    said = [text for text in cut.warnings if text.startswith("not cut at ")]
    assert len(said) == (4 if astray else 0)
    assert len(segments_of(cut)) == (0 if astray else 5)
    assert_equal(whole, cut, *said)


def test_a_picture_that_changes_its_size(tmp_path: Path, segmenter: Segmenter) -> None:
    small, large = eyes(), [np.kron(p, np.ones((2, 2, 1), np.uint8)) for p in eyes()]
    files = [
        write_video(tmp_path / f"{n}.mkv", p, codec="mjpeg", pix_fmt="yuvj420p", pts=range(60))
        for n, p in enumerate((small, large))
    ]
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as container:
        stream: av.VideoStream | None = None
        for number, file in enumerate(files):
            with av.open(str(file)) as given:
                stream = stream or container.add_stream_from_template(given.streams.video[0])
                for index, packet in enumerate(p for p in given.demux(video=0) if p.size):
                    packet.pts = packet.dts = 40 * index + 1230 * number
                    if (packet.pts < 1230) == (number == 0):
                        packet.stream = stream
                        container.mux(packet)
    whole, cut = both(path, segmenter)
    said = [text for text in cut.warnings if text.startswith("not cut at ")]
    assert any("size changed" in text for text in whole.warnings)
    assert said
    assert_equal(whole, cut, *said)


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("begin", [0.2, 0.5])
def test_damage(tmp_path: Path, segmenter: Segmenter, begin: float, every: int) -> None:
    rng = np.random.default_rng(0)
    noisy = [np.maximum(p, rng.integers(0, 90, p.shape, np.uint8)) for p in eyes(80)]
    path = write_video(tmp_path / "v.mp4", noisy, options={**OPEN_GOP, "crf": "30"})
    damage(path, begin, 5000)
    whole, cut = both(path, segmenter, replace(EVERYTHING, every=every))
    assert any("damaged" in warning for warning in whole.warnings)
    assert segments_of(cut) == []
    assert_equal(whole, cut, "not cut into chunks: damage or wrong times in the video")


def test_repeated_times(tmp_path: Path, segmenter: Segmenter) -> None:
    def repeat(number: int, packet: av.Packet) -> bool:
        if number in (33, 34):
            packet.pts = packet.dts = 32 * 40
        return True

    path = write_video(tmp_path / "a.mkv", eyes(), options={**X264, "bf": "0"})
    mux_again(path, tmp_path / "v.mkv", repeat)
    whole, cut = both(tmp_path / "v.mkv", segmenter)
    assert any("retimed" in warning for warning in whole.warnings)
    assert_equal(whole, cut, "not cut into chunks: times repeat")


@pytest.mark.parametrize("counted_on", [False, True])
def test_times_that_run_back(tmp_path: Path, segmenter: Segmenter, counted_on: bool) -> None:
    """Two transport streams, one after the other; their packets are counted, per stream."""
    content = write_video(tmp_path / "one.ts", eyes(), options=X264).read_bytes()
    packets = np.frombuffer(content, np.uint8).reshape(-1, 188)
    again = packets.copy()
    if counted_on:
        streams = (packets[:, 1] & 31).astype(int) << 8 | packets[:, 2]
        for stream in set(streams):
            of = streams == stream
            last = packets[of][-1, 3] & 15
            count = (again[of, 3] - packets[of][0, 3] + last + 1) & 15
            again[of, 3] = again[of, 3] & 240 | count
    path = tmp_path / "v.ts"
    path.write_bytes(content + again.tobytes())
    whole, cut = both(path, segmenter)
    why = "times r" if counted_on else "packets are damaged"
    (said,) = set(cut.warnings) - set(whole.warnings)
    assert said.startswith(f"not cut into chunks: {why}")
    assert_equal(whole, cut, said)


def test_packets_without_times(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "v.h264", eyes(), options={**X264, "bf": "0"})
    whole, cut = both(path, segmenter)
    assert_equal(whole, cut, "not cut into chunks: packets have no times")


def test_keyframes_that_depend_on_what_comes_before(tmp_path: Path, segmenter: Segmenter) -> None:
    """With intra refresh a picture builds up over many frames from a recovery point on."""
    options = {"x264-params": "intra-refresh=1:keyint=30:scenecut=0", "crf": "18"}
    path = write_video(tmp_path / "v.mp4", eyes(120), options=options)
    whole, cut = both(path, segmenter)
    assert len(segments_of(cut)) > 2
    assert_equal(whole, cut)


def test_what_is_not_cut(tmp_path: Path, segmenter: Segmenter) -> None:
    """Short videos, videos with one keyframe, images: one piece, and nothing said."""
    short = write_video(tmp_path / "short.mp4", eyes(10), options=X264)
    single = write_video(tmp_path / "single.mp4", eyes(), options={**X264, "g": "1000"})
    folder = tmp_path / "images"
    folder.mkdir()
    for index, picture in enumerate(eyes(20)):
        cv2.imwrite(str(folder / f"{index}.png"), picture)
    cv2.imwrite(str(tmp_path / "still.png"), eyes(1)[0])
    for path in (short, single, folder, tmp_path / "still.png"):
        whole, cut = both(path, segmenter)
        assert segments_of(cut) == []
        assert not any("cut" in warning for warning in cut.warnings)
        assert_equal(whole, cut)
