"""Damage is reported with its times, moves nothing after it, and is never seen in whole files."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import read_video, write_video
from damaged_videos import assert_told, noise, video_packets

from cornea_stream.errors import SourceError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.runs.run import run_source
from cornea_stream.sources import open_source

X264 = {"bf": "2", "g": "25", "crf": "20"}
TS_PACKET = 188


def test_lost_packets_of_a_transport_stream(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.ts", noise(50), options=X264)
    expected = {round(time, 3) for time, _ in timed(path)}
    content = path.read_bytes()
    time_s, place, _ = video_packets(path)[10]
    begin = place + 4 * TS_PACKET
    path.write_bytes(content[:begin] + content[begin + 3 * TS_PACKET :])
    times = assert_told(path, time_s)
    assert {round(time, 3) for time in times} <= expected
    assert len(times) > 40


def timed(path: Path) -> list[tuple[float, int]]:
    with open_source(path) as source:
        return [(frame.time_s, frame.index) for frame in source]


def test_damage_that_a_decoder_conceals(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", noise(30), options={"bf": "0", "g": "15"})
    content = bytearray(path.read_bytes())
    time_s, place, size = video_packets(path)[5]
    rng = np.random.default_rng(0)
    content[place + 40 : place + size] = rng.integers(0, 255, size - 40).astype(np.uint8).tobytes()
    path.write_bytes(content)
    times = assert_told(path, time_s)
    assert times == pytest.approx([i / 25 for i in range(30)])
    with open_source(path) as source:
        list(source)
        ((begin, end),) = source.damaged_s
    assert begin == pytest.approx(time_s)
    assert end == pytest.approx(14 / 25)  # up to the next keyframe, frames refer to what is damaged


def test_an_end_well_before_that_of_the_header(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mkv", noise(100), options={**X264, "g": "10"})
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    times = assert_told(path, 3.0)
    assert times[-1] < 3
    with open_source(path) as source:
        list(source)
        assert source.damaged_s[-1][1] == pytest.approx(4, abs=0.1)


def test_a_hole_in_matroska(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "v.mkv", noise(150), options={**X264, "g": "10"},
        muxing={"cluster_time_limit": "400"},
    )  # fmt: skip
    packets = video_packets(path)
    content = bytearray(path.read_bytes())
    begin, end = packets[40][1], packets[80][1]
    content[begin:end] = bytes(end - begin)
    path.write_bytes(content)
    times = assert_told(path, packets[60][0])
    whole = {round(i / 25, 2) for i in range(150)}
    assert {round(time, 2) for time in times} <= whole
    assert times[-1] == pytest.approx(149 / 25, abs=2e-3)


def test_damage_moves_no_later_frame(tmp_path: Path, segmenter: Segmenter) -> None:
    """4 KiB of noise used to be taken for a joint of two recordings."""
    path = write_video(tmp_path / "v.ts", noise(100), options=X264, audio="aac")
    with open_source(path) as source:
        whole = [round(frame.time_s, 4) for frame in source]
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(3)
    place = len(content) // 3
    content[place : place + 4096] = rng.integers(0, 255, 4096).astype(np.uint8).tobytes()
    path.write_bytes(content)
    result = run_source(path, tmp_path / "out", segmenter)
    assert result.damaged_s
    assert not [warning for warning in result.warnings if "joined" in warning]
    shown = [round(time, 4) for time, _ in read_video(Path(result.folder) / "overlay.mp4")]
    assert set(shown) <= set(whole)
    assert shown[-10:] == whole[-10:]


@pytest.mark.parametrize("ahead_s", [-1.0, 30.0])
def test_one_wrong_time_moves_no_other(tmp_path: Path, ahead_s: float) -> None:
    path = write_video(tmp_path / "v.ts", noise(60), options={"bf": "0", "g": "10"})
    with open_source(path) as source:
        whole = [frame.time_s for frame in source]
    content = bytearray(path.read_bytes())
    _, place, _ = video_packets(path)[30]
    mark = content.index(b"\x00\x00\x01\xe0", place)  # the header of the packet
    with av.open(str(path)) as container:
        pts = [packet.pts for packet in container.demux(video=0)][30] + round(90000 * ahead_s)
    field = mark + 9
    tag = content[field] >> 4
    content[field : field + 5] = bytes([
        tag << 4 | pts >> 29 & 0b1110 | 1, pts >> 22 & 255, pts >> 14 & 0b11111110 | 1,
        pts >> 7 & 255, pts << 1 & 0b11111110 | 1,
    ])  # fmt: skip
    path.write_bytes(content)
    with open_source(path) as source:
        times = [frame.time_s for frame in source]
    assert source.warnings
    assert times[:30] == pytest.approx(whole[:30])
    assert times[31:] == pytest.approx(whole[31:])


def test_frames_after_an_error_near_the_end(tmp_path: Path) -> None:
    """Decoders with several threads dropped what they held when the end was damaged."""
    path = write_video(tmp_path / "v.mp4", noise(30), options=X264)
    content = bytearray(path.read_bytes())
    packets = video_packets(path)
    time_s, place, size = packets[-4]
    content[place : place + size] = b"\xff" * size
    path.write_bytes(content)
    times = assert_told(path, time_s)
    assert len(times) == 29
    assert max(times) == pytest.approx(max(time for time, _, _ in packets))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "mov", "flv", "avi", "webm", "mpg"])
def test_whole_files_have_no_damage(tmp_path: Path, suffix: str) -> None:
    codec = {"avi": "mpeg4", "webm": "libvpx", "mpg": "mpeg2video"}.get(suffix, "libx264")
    options = {"bf": "2", "g": "10"} if suffix not in ("webm", "avi") else {"g": "10"}
    audio = {"webm": "libopus", "mpg": "mp2"}.get(suffix, "aac")
    path = write_video(
        tmp_path / f"v.{suffix}", noise(60), codec=codec, options=options,
        audio=audio if suffix not in ("webm", "mpg") else None, time_base=Fraction(1, 25),
    )  # fmt: skip
    with open_source(path, strict=True) as source:
        assert len(list(source)) == 60
    assert source.damaged_s == []
    assert not [warning for warning in source.warnings if "damaged" in warning or "jump" in warning]


@pytest.mark.parametrize("suffix", ["wmv", "mkv"])
def test_headers_that_give_the_end_for_the_length(tmp_path: Path, suffix: str) -> None:
    """The index of ASF behind the frames, one entry a second, is longer than a packet here."""
    codec = "wmv2" if suffix == "wmv" else "libx264"
    path = write_video(
        tmp_path / f"v.{suffix}", noise(30), codec=codec, muxing={"output_ts_offset": "5000"}
    )
    with open_source(path, strict=True) as source:
        assert len(list(source)) == 30
        assert source.info.duration_s == pytest.approx(30 / 25, abs=0.1)
    assert source.warnings == []


def test_sound_that_is_longer_than_the_video_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=8000)
        sound.layout = "mono"
        for picture in noise(25):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
        for index in range(40):
            tone = av.AudioFrame.from_ndarray(np.zeros((1, 1000), np.int16), "s16", "mono")
            tone.sample_rate, tone.pts = 8000, 1000 * index
            container.mux(sound.encode(tone))
    with open_source(path) as source:
        assert len(list(source)) == 25
    assert source.warnings == []


@pytest.mark.parametrize("suffix", ["mkv", "ts", "flv", "mp4"])
@pytest.mark.parametrize("step_ms", [40, 2000])
def test_slow_video_with_b_frames_has_no_joints(tmp_path: Path, suffix: str, step_ms: int) -> None:
    """Frames of two seconds are reordered by more time than lies between recordings."""
    times = [step_ms * i for i in range(49)]
    path = write_video(
        tmp_path / f"v.{suffix}", noise(50), pts=[*times, times[-1] + 3 * step_ms],
        options={"bf": "3", "g": "12"},
    )  # fmt: skip
    with open_source(path) as source:
        found = [round(1000 * frame.time_s) for frame in source]
    assert source.warnings == []
    assert [time - found[0] for time in found[:49]] == pytest.approx(times, abs=1)


def test_avi_that_lacks_its_last_frames(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "v.avi", noise(50), codec="mjpeg", pix_fmt="yuvj420p", time_base=Fraction(1, 25)
    )
    packets = video_packets(path)
    content = path.read_bytes()
    path.write_bytes(content[: packets[40][1]])
    assert len(assert_told(path, 1.8)) == 40


@pytest.mark.parametrize("suffix", ["mp4", "ts"])
def test_a_first_keyframe_that_cannot_be_decoded(tmp_path: Path, suffix: str) -> None:
    path = write_video(tmp_path / f"v.{suffix}", noise(50), options={"g": "20", "bf": "0"})
    _, place, _ = video_packets(path)[0]
    content = bytearray(path.read_bytes())
    begin = place + (TS_PACKET if suffix == "ts" else 0)
    content[begin : begin + 3000] = bytes(3000)
    path.write_bytes(content)
    times = assert_told(path, 0.0)
    assert times[-1] == pytest.approx(49 / 25, abs=2e-3)


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "suffix"),
    [("mjpeg", "yuvj420p", "avi"), ("ffv1", "yuv420p", "mkv"), ("wmv2", "yuv420p", "avi")],
)
def test_damage_that_a_decoder_only_logs(
    tmp_path: Path, codec: str, pix_fmt: str, suffix: str
) -> None:
    """Checksums of slices, and what does not fit into a frame; all frames are shown."""
    options = {"level": "3", "slicecrc": "1", "g": "1"} if codec == "ffv1" else {"b": "2M"}
    path = write_video(
        tmp_path / f"v.{suffix}", noise(20), codec=codec, pix_fmt=pix_fmt, options=options,
        time_base=Fraction(1, 25),
    )  # fmt: skip
    with open_source(path, strict=True) as source:
        assert len(list(source)) == 20
    time_s, place, size = video_packets(path)[10]
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(4)
    for at in rng.integers(place + size // 3, place + size - 20, 12):
        content[at] ^= 1 << int(rng.integers(8))
    path.write_bytes(content)
    assert len(assert_told(path, time_s)) == 20


def test_frames_before_an_edit_list_are_no_damage(tmp_path: Path) -> None:
    """Of frames decoded before the first one that is shown, some are shown later."""
    path = write_video(
        tmp_path / "v.mp4", noise(30), pts=[i - 3 for i in range(30)], time_base=Fraction(1, 25),
        options={"bf": "3", "g": "250", "b_strategy": "0"},
    )  # fmt: skip
    with open_source(path, strict=True) as source:
        assert len(list(source)) == 27
    assert source.warnings == []


def test_concealed_frames_of_a_stream_without_times(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.h264", noise(30), options={"bf": "0", "g": "15"})
    with open_source(path, strict=True) as source:
        assert len(list(source)) == 30
    assert source.warnings == [
        "the file has no times and no length: frames are counted on at 25 per second, and a "
        "missing end goes unnoticed"
    ]
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = np.random.default_rng(5).bytes(400)
    path.write_bytes(content)
    with open_source(path) as source:
        list(source)
    assert source.damaged_s


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the files of a folder over HTTP; yield the address."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("kind", ["whole", "lost", "overwritten"])
def test_damage_of_live_sources(tmp_path: Path, kind: str) -> None:
    path = write_video(tmp_path / "v.ts", noise(50), options={"bf": "0", "g": "15"})
    content = bytearray(path.read_bytes())
    _, place, size = video_packets(path)[20]
    if kind == "lost":
        del content[place + 4 * TS_PACKET : place + 7 * TS_PACKET]
    elif kind == "overwritten":  # inside the packets of the stream, which stay whole
        for packet in range(place + 2 * TS_PACKET, place + size, TS_PACKET):
            content[packet + 60 : packet + 120] = b"\xa5" * 60
    path.write_bytes(content)
    with served(tmp_path) as url:
        with open_source(f"{url}/v.ts", live=True, reconnect_s=0) as source:
            frames = list(source)
        assert len(frames) >= 45
        told = [text for text in source.warnings if "damaged" in text]
        assert bool(source.damaged_s) == bool(told) == (kind != "whole")
        if kind != "whole":
            (begin_s, end_s), *others = source.damaged_s
            assert not others
            assert end_s > begin_s  # up to the next keyframe
            with (
                pytest.raises(SourceError, match="damaged near"),
                open_source(f"{url}/v.ts", live=True, reconnect_s=0, strict=True) as source,
            ):
                list(source)
