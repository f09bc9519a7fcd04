"""Sources: every frame once, in order, at its own time; exact seek; clear errors."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import disc, moving_discs, read_video, write_video

from cornea_stream.errors import SourceError, UsageError
from cornea_stream.sources import VideoSource, open_source

VFR = [0, 40, 80, 200, 201, 333, 500, 900, 940, 1000, 1500, 1501]
B_FRAMES = {"bf": "3", "g": "6", "crf": "12", "sc_threshold": "0"}


def numbered(count: int) -> list[np.ndarray]:
    """Pictures whose brightness tells their number."""
    return [np.full((64, 96, 3), 20 + 10 * i, np.uint8) for i in range(count)]


def number_of(frame: object) -> int:
    return round((float(np.mean(frame.rgb())) - 20) / 10)  # type: ignore[attr-defined]


@pytest.fixture
def vfr(tmp_path: Path) -> Path:
    return write_video(tmp_path / "vfr.mp4", numbered(12), pts=VFR, options=B_FRAMES)


def test_variable_rate_with_b_frames_in_order(vfr: Path) -> None:
    with open_source(vfr) as source:
        frames = list(source)
    assert [round(1000 * f.time_s) for f in frames] == VFR
    assert [number_of(f) for f in frames] == list(range(12))
    assert [f.index for f in frames] == list(range(12))
    assert source.warnings == []


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "mov", "ts"])
def test_containers(tmp_path: Path, suffix: str) -> None:
    path = write_video(
        tmp_path / f"v.{suffix}", numbered(10), time_base=Fraction(1, 25),
        codec="mpeg4" if suffix == "avi" else "libx264",
    )  # fmt: skip
    with open_source(path) as source:
        frames = list(source)
    assert [number_of(f) for f in frames] == list(range(10))
    assert np.diff([f.time_s for f in frames]) == pytest.approx(0.04, abs=1e-3)


@pytest.mark.parametrize(
    ("asked", "shown"),
    [(0, 0), (0.039, 0), (0.04, 1), (0.1999, 2), (0.2, 3), (0.2005, 3), (0.201, 4), (0.6, 6),
     (0.94, 8), (1.4999, 9), (1.5, 10), (1.501, 11)],
)  # fmt: skip
def test_frame_at_gives_the_frame_shown(vfr: Path, asked: float, shown: int) -> None:
    with VideoSource(vfr) as source:
        frame = source.frame_at(asked)
    assert number_of(frame) == shown
    assert frame.time_s == pytest.approx(VFR[shown] / 1000)


def test_frame_at_seeks_instead_of_decoding_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [np.full((64, 96, 3), i % 200, np.uint8) for i in range(400)]
    path = write_video(tmp_path / "long.mp4", pictures, options={"g": "20"})
    with VideoSource(path) as source:
        decoded = []
        original = VideoSource._pictures
        monkeypatch.setattr(
            VideoSource, "_pictures", lambda self: (decoded.append(f) or f for f in original(self))
        )
        assert source.frame_at(15.0).time_s == pytest.approx(15.0)
        assert len(decoded) < 60


def test_frame_at_leaves_iteration_whole(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", numbered(20), options=B_FRAMES)
    with VideoSource(path) as source:
        assert number_of(source.frame_at(0.6)) == 15
        found = []
        for frame in source:
            found.append(number_of(frame))
            if frame.index in (0, 5, 18):
                assert number_of(source.frame_at(0.12)) == 3
                assert number_of(source.frame_at(0.76)) == 19
    assert found == list(range(20))
    assert source.warnings == []


def test_a_closed_source_says_so(vfr: Path) -> None:
    with open_source(vfr) as source:
        frames = iter(source)
        next(frames)
    with pytest.raises(UsageError, match="source is closed"):
        list(frames)
    with pytest.raises(UsageError, match="source is closed"):
        source.frame_at(0)


@pytest.mark.parametrize("asked", [-0.001, -5])
def test_negative_times_name_the_duration(vfr: Path, asked: float) -> None:
    with (
        VideoSource(vfr) as source,
        pytest.raises(UsageError, match=r"negative.*vfr\.mp4 lasts 1\.5"),
    ):
        source.frame_at(asked)


def test_times_beyond_the_end_name_the_duration(vfr: Path) -> None:
    with (
        VideoSource(vfr) as source,
        pytest.raises(UsageError, match=r"beyond the end: 60 s: .* lasts 1\.5"),
    ):
        source.frame_at(60)


def test_start_end_every(vfr: Path) -> None:
    with open_source(vfr, start_s=0.2, end_s=1.0, every=2) as source:
        assert [round(1000 * f.time_s) for f in source] == [200, 333, 900]
    with pytest.raises(UsageError, match=r"no frame at or after 9 s: .*vfr.mp4 lasts 1\.5"):
        open_source(vfr, start_s=9)
    with pytest.raises(UsageError, match="end must be after start"):
        open_source(vfr, start_s=2, end_s=1)
    with pytest.raises(UsageError, match="every must be 1 or more"):
        open_source(vfr, every=0)
    for times in ({"start_s": -0.5}, {"start_s": math.nan}, {"end_s": math.inf}):
        with pytest.raises(UsageError, match="_s must be"):
            open_source(vfr, **times)


def test_rotation_makes_frames_upright(tmp_path: Path) -> None:
    picture, _ = disc(96, 64, 20, 16, 10)
    path = write_video(
        tmp_path / "r.mp4", [picture] * 3, prepare=lambda s: s.set_display_rotation(90)
    )
    with open_source(path) as source:
        frame = next(iter(source))
    assert source.info.rotation == 90
    assert frame.size == (96, 64)
    upright = np.rot90(picture)
    assert np.abs(frame.rgb().astype(int) - upright).mean() < 4


def test_estimate_and_description(vfr: Path) -> None:
    with open_source(vfr) as source:
        info = source.info
        assert (info.width, info.height, info.pix_fmt, info.frame_count) == (96, 64, "yuv420p", 12)
        assert source.frame_estimate == 12
        assert info.name == "vfr"
        assert info.audio_codec is None


def test_images_come_in_natural_order(tmp_path: Path) -> None:
    for name, value in (("f10.png", 200), ("f2.png", 100), ("f1.jpg", 30)):
        cv2.imwrite(str(tmp_path / name), np.full((40, 60, 3), value, np.uint8))
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "f3.png").write_bytes(b"broken")
    with open_source(tmp_path) as source:
        frames = list(source)
    assert [round(float(f.rgb().mean()) / 10) for f in frames] == [3, 10, 20]
    assert source.info.kind == "images"
    assert source.info.name == tmp_path.name
    assert [w for w in source.warnings if "f3.png" in w]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif", ".webp"])
def test_single_images(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"eye{suffix}"
    picture, _ = disc(61, 47, 30, 20, 10)
    cv2.imwrite(str(path), picture[..., ::-1])
    with open_source(path) as source:
        (frame,) = source
    assert frame.rgb().shape == (47, 61, 3)
    assert np.abs(frame.rgb().astype(int) - picture).mean() < 4


def test_unreadable_inputs(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"input not found: .*none\.mp4"):
        open_source(tmp_path / "none.mp4")
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(SourceError, match="0 bytes"):
        open_source(tmp_path / "empty.mp4")
    (tmp_path / "text.mp4").write_text("hello " * 1000)
    with pytest.raises(SourceError, match=r"not a readable video or image: .*text\.mp4"):
        open_source(tmp_path / "text.mp4")
    (tmp_path / "folder").mkdir()
    with pytest.raises(SourceError, match="no images in this folder"):
        open_source(tmp_path / "folder")


def test_an_mp4_cut_off_while_recording(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", moving_discs(20))
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[:-3000])
    with pytest.raises(SourceError, match="lacks its index"):
        open_source(cut)


def test_audio_only_is_no_video(tmp_path: Path) -> None:
    import av

    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(SourceError, match=r"sound\.mp4"):
        open_source(path)


@pytest.mark.parametrize("name", ["notes.txt", "read.md", "old.nfo", "art.ans", "renamed.mp4"])
@pytest.mark.parametrize("text", ["A line of a report.\n", "Größe × Höhe der Hornhaut\n"])
def test_a_text_is_no_video(tmp_path: Path, name: str, text: str) -> None:
    """FFmpeg draws the characters of long texts as frames."""
    path = tmp_path / name
    path.write_text(text * 300)
    with pytest.raises(SourceError, match=r"it is a text .*: give a video"):
        open_source(path)


def test_a_playlist_reaches_no_other_file(tmp_path: Path) -> None:
    video = write_video(tmp_path / "secret.mp4", moving_discs(3))
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile {video}\n")
    (tmp_path / "list.m3u8").write_text(f"#EXTM3U\n#EXTINF:1,\n{video}\n#EXT-X-ENDLIST\n")
    for name in ("list.mp4", "list.m3u8"):
        with pytest.raises(SourceError):
            open_source(tmp_path / name)


def test_times_that_repeat_or_run_back_are_mended(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.avi", numbered(6), codec="mpeg4", time_base=Fraction(1, 25))
    with open_source(path) as source:
        times = [f.time_s for f in source]
    assert all(b > a for a, b in itertools.pairwise(times))
    assert len(read_video(path)) == 6


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A fast-start mp4 with noise over some packets in its middle."""
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (64, 96, 3), dtype=np.uint8) for _ in range(60)]
    path = write_video(tmp_path / "d.mp4", pictures, options={"g": "10", "crf": "30"})
    content = bytearray(path.read_bytes())
    start = len(content) // 2
    content[start : start + 12000] = bytes(12000)
    path.write_bytes(content)
    return path


def test_damage_is_skipped_counted_and_dated(damaged: Path) -> None:
    with open_source(damaged) as source:
        frames = list(source)
    assert 20 < len(frames) < 60
    (warning,) = source.warnings
    assert "damaged packets near 1." in warning
    times = [f.time_s for f in frames]
    assert times == sorted(set(times))


def test_strict_stops_at_damage(damaged: Path) -> None:
    with (
        pytest.raises(SourceError, match=r"damaged near 1\.\d+ s: .*d\.mp4"),
        open_source(damaged, strict=True) as source,
    ):
        list(source)


def test_a_truncated_recording_gives_what_is_there(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "w.mkv", moving_discs(50))
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: int(0.6 * whole.stat().st_size)])
    with open_source(cut) as source:
        assert 10 < len(list(source)) < 50


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"start_s": 1e23}, r"no frame at or after 1e\+23 s: .* lasts 0\.080 s"),
        ({"end_s": 0}, "no frame before 0 s"),
        ({"start_s": 0.01, "end_s": 0.02}, r"no frame between 0\.01 s and 0\.02 s"),
    ],
)
def test_a_range_without_frames_is_told(
    tmp_path: Path, bounds: dict[str, float], message: str
) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(2))
    with pytest.raises(UsageError, match=message):
        open_source(path, **bounds)  # type: ignore[arg-type]
