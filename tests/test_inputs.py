"""What surgical recorders write: every frame of every kind of file, once, in order, upright."""

from __future__ import annotations

import itertools
import struct
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from conftest import Image, disc, moving_discs, read_video, write_video

from cornea_stream.engines.preprocess import model_input
from cornea_stream.errors import SourceError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_stream.sources import open_source

COUNT = 12


def levels(count: int = COUNT, width: int = 96, height: int = 64) -> list[Image]:
    """Return plain gray pictures, each brighter than the one before."""
    return [np.full((height, width, 3), 30 + 15 * i, np.uint8) for i in range(count)]


def brightness(path: Path) -> list[float]:
    with open_source(path) as source:
        frames = list(source)
    times = [frame.time_s for frame in frames]
    assert all(a < b for a, b in itertools.pairwise(times))
    return [float(frame.rgb().mean()) for frame in frames]


CODECS = {
    "libx264": ("mp4", "yuv420p"),
    "libx265": ("mp4", "yuv420p"),
    "libvpx-vp9": ("webm", "yuv420p"),
    "libsvtav1": ("mkv", "yuv420p"),
    "mpeg2video": ("ts", "yuv420p"),
    "mpeg4": ("avi", "yuv420p"),
    "mjpeg": ("avi", "yuvj420p"),
    "prores_ks": ("mov", "yuv422p10le"),
    "ffv1": ("mkv", "yuv420p"),
    "gif": ("gif", "rgb8"),
}


@pytest.mark.parametrize("codec", CODECS)
def test_codecs(tmp_path: Path, codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SVT_LOG", "1")
    suffix, pix_fmt = CODECS[codec]
    base = Fraction(1, 25) if codec in ("mpeg2video", "mpeg4", "gif") else Fraction(1, 1000)
    path = write_video(
        tmp_path / f"v.{suffix}", levels(), codec=codec, pix_fmt=pix_fmt, time_base=base
    )
    found = brightness(path)
    assert len(found) == COUNT
    assert np.abs(np.array(found) - [p.mean() for p in levels()]).max() < 18  # gif has few levels


def test_dv(tmp_path: Path) -> None:
    path = tmp_path / "v.dv"
    with av.open(str(path), "w", format="dv") as container:
        stream = container.add_stream("dvvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 720, 576, "yuv420p"
        for picture in levels(width=720, height=576):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    found = brightness(path)
    assert len(found) == COUNT
    assert np.abs(np.array(found) - [p.mean() for p in levels()]).max() < 4


@pytest.mark.parametrize(
    "pix_fmt",
    [
        "yuv420p",
        "yuvj420p",
        "yuv422p",
        "yuvj422p",
        "yuv444p",
        "nv12",
        "gray",
        "yuv420p10le",
        "yuv422p10le",
    ],
)
def test_pixel_formats_end_to_end(tmp_path: Path, segmenter: Segmenter, pix_fmt: str) -> None:
    codec = "ffv1" if pix_fmt in ("gray", "yuv422p10le") else "libx264"  # which has no gray
    path = write_video(tmp_path / "v.mkv", moving_discs(4), pix_fmt=pix_fmt, codec=codec)
    result = run_source(path, tmp_path / "out", segmenter, RunOptions(mask=True))
    masks = read_video(Path(result.folder) / "mask.mkv")
    overlays = read_video(Path(result.folder) / "overlay.mp4")
    for index, ((_, mask), (_, overlay)) in enumerate(zip(masks, overlays, strict=True)):
        picture, truth = disc(160, 120, 50 + 3 * index, 60, 28)
        if pix_fmt == "gray":
            picture = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None].repeat(3, axis=2)
        image = overlay.to_ndarray(format="rgb24").astype(int)
        assert np.abs(image[100:] - picture[100:]).max() < 6  # below the disc all is as it was
        green = np.add(picture[60, 50], (0, 255, 0)) / 2
        assert np.abs(image[60, 60 + 3 * index] - green).max() < 6
        pixels = mask.to_ndarray()
        assert (np.logical_and(pixels, truth).sum() / np.logical_or(pixels, truth).sum()) > 0.93


@pytest.mark.parametrize("matrix", [1, 5, 9])  # BT.709, BT.601, BT.2020
@pytest.mark.parametrize("value_range", [1, 2])  # limited, full
def test_color_tags_decide_the_rgb(tmp_path: Path, matrix: int, value_range: int) -> None:
    """An orange comes back as itself, to users and to the network, whatever carried it."""
    orange = np.full((64, 96, 3), (200, 120, 40), np.uint8)
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv444p"
        context = stream.codec_context
        context.colorspace, context.color_range = matrix, value_range
        frame = av.VideoFrame.from_ndarray(orange, format="rgb24").reformat(
            format="yuv444p", dst_colorspace=matrix, dst_color_range=value_range
        )
        frame.colorspace, frame.color_range = matrix, value_range
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with open_source(path) as source:
        shown = next(iter(source))
    for found in (shown.rgb(), model_input(shown, (32, 48))):
        assert np.abs(found.astype(int) - orange[0, 0]).max() <= 4


def test_open_gop_and_b_frames(tmp_path: Path) -> None:
    options = {"g": "6", "bf": "3", "x264-params": "open-gop=1:scenecut=0", "crf": "12"}
    path = write_video(tmp_path / "v.mp4", levels(), options=options)
    with av.open(str(path)) as container:
        kinds = [frame.pict_type for frame in container.decode(video=0)]
    assert av.video.frame.PictureType.B in kinds
    found = brightness(path)
    assert len(found) == COUNT
    assert found == sorted(found)


def test_interlaced(tmp_path: Path) -> None:
    options = {"flags": "+ildct+ilme", "x264-params": "interlaced=1", "crf": "12"}
    path = write_video(tmp_path / "v.ts", levels(), options=options)
    assert len(brightness(path)) == COUNT


def test_times_before_zero(tmp_path: Path, segmenter: Segmenter) -> None:
    """Recorders that cut a file leave frames before 0: they are kept, and the first is at 0."""
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for index, picture in enumerate(moving_discs(6)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = 40 * index - 80, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert [round(1000 * time) for time, _ in read_video(path)] == [-80, -40, 0, 40, 80, 120]
    with open_source(path) as source:
        assert [round(1000 * f.time_s) for f in source] == [0, 40, 80, 120, 160, 200]
        assert source.info.start_time_s == -0.08
    result = run_source(path, tmp_path / "out", segmenter, RunOptions())
    overlay = read_video(Path(result.folder) / "overlay.mp4")
    assert [round(1000 * time) for time, _ in overlay] == [0, 40, 80, 120, 160, 200]
    assert result.warnings == []


def test_raw_stream_without_any_times(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.h264", levels(), options={"bf": "0", "crf": "12"})
    found = brightness(path)
    assert len(found) == COUNT
    assert found == sorted(found)


def change_of_size(path: Path) -> Path:
    """Write one H.264 stream whose picture grows after four frames."""
    data = b""
    for width, height in ((96, 64), (192, 128)):
        part = path.with_name(f"{width}.h264")
        write_video(part, levels(4, width, height), options={"bf": "0", "crf": "12"})
        data += part.read_bytes()
    path.write_bytes(data)
    return path


def test_picture_that_changes_its_size(tmp_path: Path, segmenter: Segmenter) -> None:
    path = change_of_size(tmp_path / "v.h264")
    result = run_source(path, tmp_path / "out", segmenter, RunOptions(mask=True))
    assert result.frames == 8
    assert any("size changed" in warning for warning in result.warnings)
    overlay = read_video(Path(result.folder) / "overlay.mp4")
    assert [(f.width, f.height) for _, f in overlay] == [(96, 64)] * 8


def test_the_picture_stream_is_found(tmp_path: Path) -> None:
    """Sound comes first, a second camera last: the first picture stream is taken."""
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("flac", rate=48000)
        streams = []
        for size in ((96, 64), (48, 32)):
            stream = container.add_stream("ffv1", rate=25)
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            streams.append(stream)
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 4608), np.int16), "s16", "mono")
        tone.sample_rate = 48000
        container.mux(sound.encode(tone))
        for stream in streams:
            for index, picture in enumerate(levels(3, stream.width, stream.height)):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 25)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    with open_source(path) as source:
        assert [frame.size for frame in source] == [(64, 96)] * 3


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mp3"])
def test_cover_art_is_no_video(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"song.{suffix}"
    cover = cv2.imencode(".png", levels(1)[0])[1].tobytes()
    with av.open(str(path), "w") as container:
        sound = container.add_stream("libmp3lame", rate=48000)
        if suffix == "mkv":
            container.add_attachment("cover.png", "image/png", cover)
        else:
            sleeve = container.add_stream("png", rate=25)
            sleeve.width, sleeve.height, sleeve.pix_fmt = 96, 64, "rgb24"
            sleeve.disposition = av.stream.Disposition.attached_pic
            packet = av.Packet(cover)
            packet.stream, packet.pts, packet.dts = sleeve, 0, 0
            container.mux(packet)
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 1152), np.int16), "s16p", "mono")
        tone.sample_rate = 48000
        container.mux(sound.encode(tone))
        container.mux(sound.encode(None))
    with av.open(str(path)) as container:
        (picture,) = container.streams.video
        assert picture.disposition == av.stream.Disposition.attached_pic
    with pytest.raises(SourceError, match=rf"no video in this file: .*song\.{suffix}"):
        open_source(path)


def test_header_that_promises_hours(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "v.mkv", moving_discs(10))
    data = path.read_bytes()
    at = data.index(b"\x44\x89\x88") + 3  # Matroska's Duration: a double, in milliseconds here
    path.write_bytes(data[:at] + struct.pack(">d", 4 * 3600_000) + data[at + 8 :])
    with open_source(path) as source:
        assert (source.info.duration_s or 0) > 3600
    result = run_source(path, tmp_path / "out", segmenter, RunOptions())
    assert (result.status, result.frames) == ("complete", 10)


@pytest.mark.parametrize("size", [(16, 16), (18, 40), (7680, 4320)])
def test_smallest_and_largest_pictures(
    tmp_path: Path, segmenter: Segmenter, size: tuple[int, int]
) -> None:
    path = write_video(tmp_path / "v.mp4", levels(2, *size), options={"preset": "ultrafast"})
    result = run_source(path, tmp_path / "out", segmenter, RunOptions(mask=True))
    (_, overlay), *_ = read_video(Path(result.folder) / "overlay.mp4")
    assert (overlay.width, overlay.height, result.frames) == (*size, 2)


def test_one_frame(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(1))
    result = run_source(path, tmp_path / "out", segmenter, RunOptions(mask=True, metrics=True))
    assert result.frames == len(read_video(Path(result.folder) / "overlay.mp4")) == 1


@pytest.mark.parametrize("kind", ["folder", "text", "binary"])
def test_what_is_no_video_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "odd.mp4"
    if kind == "folder":
        path.mkdir()
    else:
        rng = np.random.default_rng(0)
        path.write_bytes(b"hello\n" * 99 if kind == "text" else rng.bytes(9999))
    with pytest.raises(SourceError, match=r"odd\.mp4"):
        open_source(path)


def test_codecs_that_nobody_knows(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "eye.mp4", moving_discs(5), audio="aac")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"mp4a", b"zzza"))
    result = run_source(path, tmp_path / "out", segmenter)
    assert result.frames == 5
    path.write_bytes(content.replace(b"avc1", b"zzzz"))
    with pytest.raises(SourceError, match=r"unknown codec: .*eye\.mp4"):
        open_source(path)


def test_a_color_matrix_that_nothing_converts(tmp_path: Path, segmenter: Segmenter) -> None:
    pictures = moving_discs(3)
    path = write_video(
        tmp_path / "eye.mp4", pictures, prepare=lambda s: setattr(s.codec_context, "colorspace", 11)
    )
    assert run_source(path, tmp_path / "out", segmenter).frames == 3
    with open_source(path) as source:
        assert np.abs(next(iter(source)).rgb().astype(int) - pictures[0]).mean() < 8
