"""Files that are cut off or whose parts do not follow each other are reported; whole ones never."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import Image, write_video

from cornea_stream.errors import SourceError
from cornea_stream.sources import open_source

FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
X264 = {"bf": "2", "g": "10", "crf": "20"}
KINDS = {
    "mkv": {}, "ts": {}, "flv": {"audio": "aac"}, "mp4": {"muxing": FRAGMENTS},
    "m2ts": {"muxing": {"mpegts_m2ts_mode": "1"}}, "wmv": {"codec": "wmv2"},
    "ogv": {"codec": "libvpx"}, "gif": {"codec": "gif", "pix_fmt": "rgb8"},
    "mxf": {"codec": "mpeg2video"}, "dv": {"codec": "dvvideo"},
}  # fmt: skip


def noise(count: int, height: int = 64, width: int = 96) -> list[Image]:
    rng = np.random.default_rng(1)
    still = rng.integers(0, 255, (height, width, 3)).astype(np.uint8)
    return [np.roll(still, 3 * i, axis=1) for i in range(count)]


def written(folder: Path, suffix: str) -> Path:
    settings = {"codec": "libx264", "time_base": Fraction(1, 25), **KINDS[suffix]}
    options = X264 if settings["codec"] == "libx264" else {}
    pictures = noise(30, 576, 720) if suffix == "dv" else noise(30)
    return write_video(folder / f"v.{suffix}", pictures, options=options, **settings)  # type: ignore[arg-type]


def read(path: Path) -> tuple[int, list[str], list[tuple[float, float]]]:
    with open_source(path) as source:
        return len(list(source)), list(source.warnings), list(source.damaged_s)


@pytest.mark.parametrize("suffix", KINDS)
def test_a_whole_file_follows_its_structure(tmp_path: Path, suffix: str) -> None:
    count, warnings, damaged_s = read(written(tmp_path, suffix))
    assert (count, damaged_s) == (30, [])
    assert not warnings or (suffix == "dv" and warnings[0].startswith("interlaced"))


@pytest.mark.parametrize("suffix", KINDS)
def test_a_file_without_its_last_bytes_is_cut_off(tmp_path: Path, suffix: str) -> None:
    """Not even a frame need be missing: an index, a trailer or the rest of a packet is."""
    path = written(tmp_path, suffix)
    path.write_bytes(path.read_bytes()[:-50])
    count, warnings, damaged_s = read(path)
    assert any("in the file near" in warning for warning in warnings)
    assert damaged_s[-1][1] == pytest.approx((count - 1) / 25, abs=0.15)
    with pytest.raises(SourceError, match="damaged near"), open_source(path, strict=True) as source:
        list(source)


def overwrite_half_a_transport_stream(content: bytearray) -> None:
    begin = len(content) // 2 // 188 * 188
    content[begin : begin + 188 * 9] = bytes(188 * 9)


def drop_bytes_of_a_cluster(content: bytearray) -> None:
    del content[len(content) // 2 : len(content) // 2 + 700]


def break_a_tag(content: bytearray) -> None:
    middle = len(content) // 2
    content[middle : middle + 3000] = bytes(3000)


def flip_a_bit_of_a_page(content: bytearray) -> None:
    """FFmpeg passes over pages of Ogg whose checksum does not match."""
    content[len(content) // 2] ^= 4


def overwrite_a_block_of_dv(content: bytearray) -> None:
    content[10 * 144000 + 800 : 10 * 144000 + 900] = bytes(100)


def drop_bytes_of_an_image(content: bytearray) -> None:
    del content[len(content) // 2 : len(content) // 2 + 20]


@pytest.mark.parametrize(
    ("suffix", "harm"),
    [("ts", overwrite_half_a_transport_stream), ("mkv", drop_bytes_of_a_cluster),
     ("flv", break_a_tag), ("ogv", flip_a_bit_of_a_page), ("dv", overwrite_a_block_of_dv),
     ("gif", drop_bytes_of_an_image)],
)  # fmt: skip
def test_parts_that_do_not_follow_each_other(
    tmp_path: Path, suffix: str, harm: Callable[[bytearray], None]
) -> None:
    path = written(tmp_path, suffix)
    content = bytearray(path.read_bytes())
    harm(content)
    path.write_bytes(content)
    _, warnings, damaged_s = read(path)
    assert any("break" in warning for warning in warnings)
    if suffix != "ogv":  # in which one page holds all frames
        assert damaged_s[0][0] == pytest.approx(12 / 25, abs=8 / 25)


@pytest.mark.parametrize("suffix", ["mkv", "ts"])
def test_a_break_before_the_start_is_not_counted(tmp_path: Path, suffix: str) -> None:
    path = write_video(
        tmp_path / f"v.{suffix}", noise(200), options=X264,
        muxing={"cluster_time_limit": "400"} if suffix == "mkv" else None,
    )  # fmt: skip
    content = bytearray(path.read_bytes())
    begin = len(content) // 4 // 188 * 188
    content[begin : begin + 188 * 3] = b"\xff" * 188 * 3
    path.write_bytes(content)
    assert read(path)[1]
    with open_source(path, start_s=6.0) as source:
        assert len(list(source)) == 50
    assert source.warnings == []


def test_the_end_of_a_track_that_ends_before_the_sound(tmp_path: Path) -> None:
    """The header of Matroska holds the end of the longest track, its statistics that of each."""
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w", options={"cluster_time_limit": "200"}) as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "0", "g": "5"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=8000)
        sound.layout = "mono"
        for picture in noise(30):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
        for index in range(20):
            tone = av.AudioFrame.from_ndarray(np.zeros((1, 1000), np.int16), "s16", "mono")
            tone.sample_rate, tone.pts = 8000, 1000 * index
            container.mux(sound.encode(tone))
    assert read(path) == (30, [], [])
    with av.open(str(path)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for place in places[-2:]:
        block = content.rindex(b"\xa3", 0, place)
        # The block becomes an element of no meaning, so that the structure stays whole.
        assert place - block < 12
        content[block] = 0xEC
    path.write_bytes(content)
    count, warnings, damaged_s = read(path)
    assert count == 28
    assert warnings
    assert damaged_s[-1][1] == pytest.approx(30 / 25, abs=2e-3)
