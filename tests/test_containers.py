"""Containers as recorders and old programs write them: headers that lie, text in any encoding."""

from __future__ import annotations

import json
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from chunks_compared import assert_equal, both
from conftest import moving_discs, write_video

from cornea_stream.errors import SourceError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.runs.run import run_source
from cornea_stream.sources import VideoSource, open_source
from cornea_stream.sources.coding_order import shows_decoding_times

QUIET = {"x265-params": "log-level=error"}


def test_text_of_another_encoding_is_no_obstacle(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(
        tmp_path / "v.avi", moving_discs(5), codec="mjpeg", pix_fmt="yuvj420p",
        time_base=Fraction(1, 25), title="Mueller",
    )  # fmt: skip
    path.write_bytes(path.read_bytes().replace(b"Mueller", b"M\xfc-ller"))
    result = run_source(path, tmp_path / "out", segmenter)
    assert (result.status, result.frames) == ("complete", 5)


def test_a_duration_of_zero_is_unknown(tmp_path: Path, segmenter: Segmenter) -> None:
    path = tmp_path / "still.gif"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("gif", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "rgb8"
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32), np.uint8), "gray")
        container.mux(stream.encode(frame.reformat(format="rgb8")))
        container.mux(stream.encode(None))
    content = path.read_bytes()
    mark = content.index(b"\x21\xf9\x04")  # the extension of 8 bytes that holds the delay
    path.write_bytes(content[:mark] + content[mark + 8 :])
    with open_source(path) as source:
        assert source.info.duration_s is None
        assert source.frame_estimate in (1, None)
    assert run_source(path, tmp_path / "out", segmenter).frames == 1


@pytest.mark.parametrize(("size", "rate"), [((720, 576), "25"), ((720, 480), "30000/1001")])
def test_dv_has_its_own_rate(tmp_path: Path, size: tuple[int, int], rate: str) -> None:
    path = tmp_path / "v.dv"
    with av.open(str(path), "w", format="dv") as container:
        stream = container.add_stream("dvvideo", rate=Fraction(rate))
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p" if rate == "25" else "yuv411p"
        for _ in range(2):
            picture = np.full((size[1], size[0], 3), 90, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with open_source(path) as source:
        assert source.info.rate == Fraction(rate)
        assert np.diff([frame.time_s for frame in source]) == pytest.approx(1 / Fraction(rate))


def tracks(path: Path, sizes: dict[int, str]) -> Path:
    """Write a video with one track per size, each flagged with dispositions or none."""
    with av.open(str(path), "w") as container:
        streams = []
        for width, flags in sizes.items():
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = width, width * 3 // 4, "yuv420p"
            stream.disposition = Disposition[flags] if flags else Disposition(0)
            streams.append(stream)
        for picture in moving_discs(5):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            for stream in streams:
                container.mux(stream.encode(frame.reformat(stream.width, stream.height, "yuv420p")))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("sizes", "chosen"),
    [
        ({96: "", 192: "default"}, 192),
        ({96: "default", 192: ""}, 96),
        ({96: "", 192: ""}, 192),
    ],
)
def test_the_main_track_is_taken(tmp_path: Path, sizes: dict[int, str], chosen: int) -> None:
    path = tracks(tmp_path / "v.mkv", sizes)
    with open_source(path) as source:
        assert source.info.width == chosen
        assert list(sizes)[source.info.video_track] == chosen
        assert len(list(source)) == 5
    with open_source(path, video_track=0) as source:
        assert source.info.width == 96
    with pytest.raises(SourceError, match=r"no video track 7: .*v\.mkv"):
        open_source(path, video_track=7)


@pytest.mark.parametrize("first", [True, False])
def test_a_large_picture_beside_the_video_is_not_taken(tmp_path: Path, first: bool) -> None:
    """Matroska does not say that a track is a cover, and does not count its frames."""
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as container:
        order = ("mjpeg", "libx264") if first else ("libx264", "mjpeg")
        streams = {codec: container.add_stream(codec, rate=25) for codec in order}
        for codec, stream in streams.items():
            stream.width, stream.height = (256, 256) if codec == "mjpeg" else (96, 64)
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        cover = av.VideoFrame.from_ndarray(np.zeros((256, 256, 3), np.uint8), "rgb24")
        cover.pts = 0
        container.mux(streams["mjpeg"].encode(cover))
        for index, picture in enumerate(moving_discs(30, 96, 64)):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts = index
            container.mux(streams["libx264"].encode(frame))
        for stream in streams.values():
            container.mux(stream.encode(None))
    with open_source(path) as source:
        assert [frame.size for frame in source] == 30 * [(64, 96)]
    assert source.warnings == []


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("suffix", ["wmv", "mkv", "flv", "ts"])
def test_short_files_have_a_usual_rate(tmp_path: Path, suffix: str, count: int) -> None:
    codec = "wmv2" if suffix == "wmv" else "libx264"
    path = write_video(
        tmp_path / f"v.{suffix}", moving_discs(count), codec=codec, time_base=Fraction(1, 25)
    )
    with open_source(path) as source:
        assert [frame.time_s for frame in source] == pytest.approx([i / 25 for i in range(count)])
        assert source.info.rate <= 50
    assert source.warnings == []


@pytest.mark.parametrize(("codec", "rate"), [("libx264", 30), ("mpeg4", 25)])
def test_avi_with_b_frames_has_even_times(tmp_path: Path, codec: str, rate: int) -> None:
    """AVI stores when frames are decoded, not when they are shown."""
    pictures = [np.full((64, 96, 3), 20 + 2 * i, np.uint8) for i in range(90)]
    options = {"bf": "3", "g": "15"}
    options |= {"crf": "5", "b-adapt": "0"} if codec == "libx264" else {"qmin": "1", "qmax": "2"}
    path = write_video(
        tmp_path / "v.avi", pictures, codec=codec, rate=rate, time_base=Fraction(1, rate),
        options=options,
    )  # fmt: skip
    with open_source(path) as source:
        found = [(frame.time_s, round((frame.rgb().mean() - 20) / 2)) for frame in source]
    assert source.warnings == []
    assert [time for time, _ in found] == pytest.approx([i / rate for i in range(90)])
    assert [number for _, number in found] == pytest.approx(list(range(90)), abs=1)
    for start_s in (40 / rate, 61 / rate):
        with open_source(path, start_s=start_s) as source:
            later = [(frame.time_s, round((frame.rgb().mean() - 20) / 2)) for frame in source]
        assert later == [(time, number) for time, number in found if time >= start_s]
        with VideoSource(path) as source:
            shown = source.frame_at(start_s + 0.3 / rate)
        assert shown.time_s == start_s


def as_old_programs_did(avi: Path, path: Path) -> Path:
    """Store the stream of an AVI file in Matroska as it is, with a FourCC and decoding times."""
    with av.open(str(avi)) as source, av.open(str(path), "w") as made:
        copy = made.add_stream_from_template(source.streams.video[0], opaque=True)
        copy.codec_context.extradata = struct.pack(
            "<IiiHH4s5I", 40, 96, 64, 1, 24, b"XVID", 96 * 64 * 3, 0, 0, 0, 0
        )
        for packet in source.demux(video=0):
            if packet.size:
                packet.pts, packet.stream = packet.dts, copy
                made.mux(packet)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"V_MPEG4/ISO/ASP", b"V_MS/VFW/FOURCC"))
    return path


@pytest.mark.parametrize("kind", ["avi", "mkv", "m2v"])
def test_every_frame_is_at_its_time(tmp_path: Path, segmenter: Segmenter, kind: str) -> None:
    pictures = [np.full((64, 96, 3), 12 + 8 * i, np.uint8) for i in range(30)]
    path = tmp_path / ("v.m2v" if kind == "m2v" else "v.avi")
    write_video(
        path, pictures, codec="mpeg2video" if kind == "m2v" else "mpeg4",
        time_base=Fraction(1, 25),
        options={"bf": "2", "g": "10", "b": "20M", "qmin": "1", "qmax": "2"},
    )  # fmt: skip
    if kind == "mkv":
        path = as_old_programs_did(path, tmp_path / "v.mkv")
    with open_source(path) as source:
        found = [(round(25 * f.time_s, 3), round((f.rgb().mean() - 13) / 8)) for f in source]
        assert isinstance(source, VideoSource)
        at = [source.frame_at((i + 0.5) / 25).rgb().mean() for i in (0, 14, 29)]
    assert found == [(i, i) for i in range(30)]
    assert [round((level - 13) / 8) for level in at] == [0, 14, 29]
    assert source.warnings == []
    with open_source(path, start_s=0.8) as source:
        assert [round((f.rgb().mean() - 13) / 8) for f in source] == list(range(20, 30))
    whole, cut = both(path, segmenter)
    assert_equal(whole, cut)


def with_decoding_times(source_path: Path, path: Path) -> Path:
    """Store a stream with the times of decoding as those of display."""
    with av.open(str(source_path)) as source, av.open(str(path), "w") as made:
        copy = made.add_stream_from_template(source.streams.video[0], opaque=True)
        for index, packet in enumerate(source.demux(video=0)):
            if packet.size:
                packet.pts = packet.dts = round(index / 25 / packet.time_base)
                packet.stream = copy
                made.mux(packet)
    return path


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "flv"])
@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "libx265"])
def test_decoding_times_in_place_of_those_of_display(
    tmp_path: Path, segmenter: Segmenter, codec: str, suffix: str
) -> None:
    """Such a file lost a third of its frames as damaged."""
    if (codec, suffix) == ("mpeg4", "flv"):
        pytest.skip("Flash holds no MPEG-4")
    pictures = [np.full((64, 96, 3), 20 + 3 * i, np.uint8) for i in range(60)]
    options = {"bf": "3", "g": "15"}
    options |= {
        "libx264": {"crf": "5", "b-adapt": "0"}, "mpeg4": {"qmin": "1", "qmax": "2"},
        "libx265": QUIET,
    }[codec]  # fmt: skip
    right = write_video(tmp_path / "r.mp4", pictures, codec=codec, options=options)
    path = with_decoding_times(right, tmp_path / f"v.{suffix}")
    with open_source(path) as source:
        found = [(f.time_s, round((f.rgb().mean() - 20) / 3)) for f in source]
        assert isinstance(source, VideoSource)
        at = [round((source.frame_at((i + 0.1) / 25).rgb().mean() - 20) / 3) for i in (0, 14, 58)]
    assert [number for _, number in found] == pytest.approx(list(range(60)), abs=1)
    assert [time_s for time_s, _ in found] == pytest.approx([i / 25 for i in range(60)], abs=1e-3)
    assert source.warnings == []
    assert at == pytest.approx([0, 14, 58], abs=1)
    with open_source(path, start_s=1.2) as source:
        later = [(f.time_s, round((f.rgb().mean() - 20) / 3)) for f in source]
    assert later == found[30:]
    whole, cut = both(path, segmenter)
    assert_equal(whole, cut)


@pytest.mark.parametrize("threads", [1, 32])
def test_decoding_times_are_noticed_with_many_threads(tmp_path: Path, threads: int) -> None:
    """Each thread of a decoder holds a frame back."""
    options = {"bf": "3", "g": "15", "x264-params": "b-adapt=0"}
    right = write_video(tmp_path / "r.mp4", moving_discs(40), options=options)
    wrong = with_decoding_times(right, tmp_path / "v.mkv")
    for path in (right, wrong):
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_type, stream.codec_context.thread_count = "AUTO", threads
            assert shows_decoding_times(container, stream) == (path == wrong)


@pytest.mark.parametrize("rate", ["25", "30000/1001", "50"])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_raw_streams_have_their_rate(tmp_path: Path, rate: str, codec: str) -> None:
    step = 1 / Fraction(rate)
    path = tmp_path / ("v.h264" if codec == "libx264" else "v.hevc")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            codec, rate=Fraction(rate), options={} if codec == "libx264" else QUIET
        )
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.time_base = step
        for index, picture in enumerate(moving_discs(20, 96, 64)):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = index, step
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with open_source(path) as source:
        times = [frame.time_s for frame in source]
    assert source.info.rate == Fraction(rate)
    assert times == pytest.approx([float(i * step) for i in range(20)], abs=1e-5)


@pytest.mark.parametrize(("flag", "order", "number"), [("tff", "top", 2), ("bff", "bottom", 3)])
def test_interlaced_video_keeps_its_flag(
    tmp_path: Path, segmenter: Segmenter, flag: str, order: str, number: int
) -> None:
    path = write_video(tmp_path / "v.ts", moving_discs(12), options={"x264-params": f"{flag}=1"})
    result = run_source(path, tmp_path / "out", segmenter)
    told = json.loads((Path(result.folder) / "run.json").read_text())
    assert told["source"]["field_order"] == order
    with av.open(str(Path(result.folder) / "overlay.mp4")) as container:
        assert all(frame.interlaced_frame for frame in container.decode(video=0))
        assert container.streams.video[0].codec_context.field_order == number
