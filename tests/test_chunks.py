"""Segmented runs: the same masks, table, PNGs, sound and times as in one piece."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from fractions import Fraction
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
    eyes,
    segments_of,
)
from conftest import disc, write_video

from cornea_stream.chunks.cuts import plan_chunks
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.runs.options import RunOptions
from cornea_stream.sources.read_options import ReadOptions


@pytest.mark.parametrize("options", [X264, OPEN_GOP], ids=["closed", "open"])
@pytest.mark.parametrize(("suffix", "smooth"), [("mp4", False), ("mkv", True), ("ts", True)])
def test_a_steady_rate(
    tmp_path: Path, segmenter: Segmenter, suffix: str, options: dict[str, str], smooth: bool
) -> None:
    segmenter.smooth = smooth
    path = write_video(tmp_path / f"v.{suffix}", eyes(), options=options, audio="aac")
    whole, cut = both(path, segmenter)
    assert segments_of(cut) == [20, 20, 20]
    assert_equal(whole, cut)


def test_the_same_is_said_about_weights_and_overlay(tmp_path: Path, segmenter: Segmenter) -> None:
    segmenter.checkpoint = replace(
        segmenter.checkpoint, notes=("an auxiliary head is left out",), assumed=("input_size",)
    )
    nothing = [disc(160, 120, -9, -9, 0)[0]] * 60
    path = write_video(tmp_path / "v.mp4", nothing, options=X264)
    whole, cut = both(path, segmenter, RunOptions(metrics=True, opacity=0.0))
    assert segments_of(cut) == [20, 20, 20]
    first, *_, last = cut.warnings
    assert first == "an auxiliary head is left out"
    assert "the overlay shows no cornea: opacity is 0" in cut.warnings
    assert "likely because the weights do not say what input" in last
    assert_equal(whole, cut)
    assert json.loads((Path(cut.folder) / "run.json").read_text()).keys() == {
        *json.loads((Path(whole.folder) / "run.json").read_text()),
        "segments",
    }


@pytest.mark.parametrize(("every", "smooth"), [(1, True), (3, True), (7, False)])
@pytest.mark.parametrize("options", [X264, OPEN_GOP], ids=["closed", "open"])
def test_variable_rate_every_nth_frame_and_a_cut_out(
    tmp_path: Path, segmenter: Segmenter, options: dict[str, str], smooth: bool, every: int
) -> None:
    segmenter.smooth = smooth
    path = write_video(tmp_path / "v.mkv", eyes(), pts=VFR, options=options, audio="aac")
    for start_s, end_s in ((None, None), (0.45, 3.1), (0.113, None)):
        wanted = replace(EVERYTHING, every=every, start_s=start_s, end_s=end_s, overwrite=True)
        whole, cut = both(path, segmenter, wanted)
        assert len(segments_of(cut)) > 2
        assert_equal(whole, cut)


@pytest.mark.parametrize("base", [Fraction(1001, 30000), Fraction(1, 90000), Fraction(1, 12800)])
def test_time_bases_and_a_late_start(tmp_path: Path, segmenter: Segmenter, base: Fraction) -> None:
    step = round(Fraction(1, 30) / base)
    pts = [7 * step + i * step + (i % 2 if step > 1 else 0) for i in range(60)]
    path = write_video(
        tmp_path / "v.mp4", eyes(), pts=pts, time_base=base, rate=30, options=X264, audio="aac"
    )
    whole, cut = both(path, segmenter)
    assert len(segments_of(cut)) > 2
    assert_equal(whole, cut)


@pytest.mark.parametrize("rotation", [90, 180])
def test_turned_odd_anamorphic_pictures(
    tmp_path: Path, segmenter: Segmenter, rotation: int
) -> None:
    def prepare(stream: av.VideoStream) -> None:
        stream.set_display_rotation(rotation)
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        stream.codec_context.color_range, stream.codec_context.colorspace = 2, 1
        stream.codec_context.color_primaries, stream.codec_context.color_trc = 1, 1

    pictures = [picture[:119, :157] for picture in eyes()]
    path = write_video(
        tmp_path / "v.mp4", pictures, options=X264, prepare=prepare, pix_fmt="yuv444p"
    )
    whole, cut = both(path, segmenter)
    assert len(segments_of(cut)) > 2
    assert_equal(whole, cut)


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1", "mpeg4"])
def test_encoders_of_the_overlay(
    tmp_path: Path, segmenter: Segmenter, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SVT_LOG", "1")
    path = write_video(tmp_path / "v.mkv", eyes(), pts=VFR, options=X264)
    whole, cut = both(path, segmenter, RunOptions(codec=codec))
    assert len(segments_of(cut)) > 2
    assert_equal(whole, cut)


@pytest.mark.parametrize("codec", CODECS)
def test_codecs_of_the_source(
    tmp_path: Path, segmenter: Segmenter, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SVT_LOG", "1")
    suffix, options = CODECS[codec]
    base = Fraction(1, 25) if codec == "mpeg2video" else Fraction(1, 1000)
    path = write_video(
        tmp_path / f"v.{suffix}", eyes(), codec=codec, options=options, time_base=base,
        pix_fmt="yuvj420p" if codec == "mjpeg" else "yuv420p",
    )  # fmt: skip
    whole, cut = both(path, segmenter)
    assert len(segments_of(cut)) > 2
    assert_equal(whole, cut)


def test_parquet_and_a_given_scale(tmp_path: Path, segmenter: Segmenter) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = write_video(tmp_path / "v.mp4", eyes(), pts=VFR, options=X264)
    whole, cut = both(path, segmenter, RunOptions(overlay=False, parquet=True, mm_per_px=0.1))
    assert len(segments_of(cut)) > 2
    one, other = (parquet.read_table(Path(r.folder) / "metrics.parquet") for r in (whole, cut))
    assert other.equals(one, check_metadata=True)
    assert sorted(p.name for p in Path(cut.folder).iterdir()) == ["metrics.parquet", "run.json"]


def test_the_summary_is_that_of_the_whole(tmp_path: Path, segmenter: Segmenter) -> None:
    pytest.importorskip("matplotlib")
    path = write_video(tmp_path / "v.mp4", eyes(), pts=VFR, options=X264)
    whole, cut = both(path, segmenter, RunOptions(summary=True))
    assert len(segments_of(cut)) > 2
    assert whole.outputs == cut.outputs
    one, other = (cv2.imread(str(Path(r.folder) / "summary.png")) for r in (whole, cut))
    assert np.abs(one.astype(int) - other).mean() < 1


def test_nothing_is_decoded_for_the_plan(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", eyes(), options=X264)
    wanted = plan_chunks(path, 0.5)
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size and not p.is_keyframe]
        places = [(packet.pos or 0, packet.size) for packet in packets]
    content = bytearray(path.read_bytes())
    for position, size in places:
        content[position : position + size] = bytes(size)
    path.write_bytes(content)
    assert plan_chunks(path, 0.5) == wanted
    assert [chunk.index for chunk in wanted.chunks] == [0, 20, 40]


@pytest.mark.parametrize("every", [1, 7, 25, 59, 100])
@pytest.mark.parametrize("length_s", [0.1, 0.5, 1.3, 99])
def test_every_frame_lies_in_one_segment_that_has_a_frame_to_take(
    tmp_path: Path, every: int, length_s: float
) -> None:
    path = write_video(tmp_path / "v.mkv", eyes(), pts=VFR, options=OPEN_GOP)
    chunks = plan_chunks(path, length_s, ReadOptions(every=every)).chunks
    assert [sum(s.holds(pts) for s in chunks) for pts in VFR] == [1] * 60
    for chunk, following in itertools.pairwise(chunks):
        assert chunk.end == following.start
        assert following.start - chunk.start >= 1000 * length_s
    taken = [pts for number, pts in enumerate(VFR) if number % every == 0]
    assert all(any(chunk.holds(pts) for pts in taken) for chunk in chunks)
