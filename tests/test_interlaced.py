"""Interlaced video: the network, images and streams get the first field, overlays keep both."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from chunks_compared import assert_equal, both
from conftest import Image, disc, read_video, write_video

from cornea_stream.engines.preprocess import model_input
from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.fields import Field, deinterlace, is_combed
from cornea_stream.media.overlay import OverlayStyle, YuvPainter
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_stream.sources import VideoSource, open_source

WIDTH, HEIGHT, COUNT = 240, 120, 12
X264: dict[Field, dict[str, str]] = {
    "top": {"crf": "8", "x264-params": "tff=1"},
    "bottom": {"crf": "8", "x264-params": "bff=1"},
}


def at_field(number: int) -> Image:
    """Return a disc at the time of a field; there are two of them per frame."""
    return disc(WIDTH, HEIGHT, 50 + 6 * number, 64, 28)[0]


def woven(index: int, first: Field) -> Image:
    """Return a frame with the rows of two moments."""
    picture, later = at_field(2 * index).copy(), at_field(2 * index + 1)
    begin = int(first == "top")
    picture[begin::2] = later[begin::2]
    return picture


def write_interlaced(path: Path, first: Field, count: int = COUNT, **more: object) -> Path:
    pictures = [woven(i, first) for i in range(count)]
    return write_video(path, pictures, options=X264[first], **more)  # type: ignore[arg-type]


def off(one: Image, other: Image) -> int:
    """Return how many pixels are clearly brighter or darker."""
    return int((np.abs(one.mean(axis=2) - other.mean(axis=2)) > 100).sum())


@pytest.mark.parametrize("first", ["top", "bottom"])
@pytest.mark.parametrize("height", [120, 121, 4, 5])
def test_rows_of_the_first_field_stay_and_others_lie_between(first: Field, height: int) -> None:
    rng = np.random.default_rng(height)
    rgb = rng.integers(0, 255, (height, 32, 3), np.uint8)
    rgb[int(first == "top") :: 2] = 0  # between its neighbors, all rows are combed
    done = rgb.copy()
    deinterlace([done], first)
    found = done.astype(float)
    kept = int(first == "bottom")
    assert np.array_equal(found[kept::2], rgb[kept::2])
    field = rgb[kept::2].astype(float)
    inner = found[kept + 1 :: 2][: len(field) - 1]
    assert np.abs(inner - (field[:-1] + field[1:]) / 2).max(initial=0) <= 0.5
    edges = {0: field[0], height - 1: field[-1]}
    assert all(np.array_equal(found[row], edges[row]) for row in edges)


@pytest.mark.parametrize("first", ["top", "bottom"])
def test_network_images_and_masks_are_of_the_first_field(
    tmp_path: Path, segmenter: Segmenter, first: Field
) -> None:
    path = write_interlaced(tmp_path / "v.ts", first)
    with open_source(path) as source:
        assert source.info.field_order == first
        frames = list(source)
    for index, frame in enumerate(frames):
        truth = at_field(2 * index)
        assert off(frame.video.to_ndarray(format="rgb24"), truth) > 150
        assert off(frame.rgb(), truth) < 30
        assert off(model_input(frame, (HEIGHT, WIDTH)), truth) < 30
    plain = write_video(tmp_path / "p.ts", [at_field(2 * i) for i in range(COUNT)])
    options = RunOptions(mask=True, frames=True)
    found = run_source(path, tmp_path / "out", segmenter, options)
    wanted = run_source(plain, tmp_path / "out", segmenter, options)
    masks = [read_video(Path(result.folder) / "mask.mkv") for result in (found, wanted)]
    for (_, one), (_, other) in zip(*masks, strict=True):
        a, b = (mask.to_ndarray(format="gray") > 0 for mask in (one, other))
        assert (a & b).sum() / (a | b).sum() > 0.97
    assert [text for text in found.warnings if text.startswith(f"interlaced, {first} field first")]
    assert wanted.warnings == []
    told = json.loads((Path(found.folder) / "run.json").read_text())
    assert (told["source"]["field_order"], told["warnings"]) == (first, found.warnings)


def test_one_frame_is_that_of_a_run(tmp_path: Path) -> None:
    path = write_interlaced(tmp_path / "v.mkv", "bottom")
    with open_source(path) as source:
        assert isinstance(source, VideoSource)
        for frame in source:
            assert np.array_equal(source.frame_at(frame.time_s).rgb(), frame.rgb())


def test_overlays_keep_both_fields(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_interlaced(tmp_path / "v.mkv", "top")
    result = run_source(path, tmp_path / "out", segmenter, RunOptions(opacity=0.0))
    for index, (_, frame) in enumerate(read_video(Path(result.folder) / "overlay.mp4")):
        assert frame.interlaced_frame
        assert off(frame.to_ndarray(format="rgb24")[30:], woven(index, "top")[30:]) < 30


@pytest.mark.parametrize("encoder", ["libx265", "mpeg4"])
def test_overlays_of_other_encoders_are_deinterlaced(
    tmp_path: Path, segmenter: Segmenter, encoder: str
) -> None:
    path = write_interlaced(tmp_path / "v.mkv", "top")
    options = RunOptions(opacity=0.0, codec=encoder)
    result = run_source(path, tmp_path / "out", segmenter, options)
    overlay = Path(result.folder) / "overlay.mp4"
    for index, (_, frame) in enumerate(read_video(overlay)):
        assert not frame.interlaced_frame
        assert off(frame.to_ndarray(format="rgb24")[30:], at_field(2 * index)[30:]) < 60
    assert f"overlay.mp4 is deinterlaced: {encoder} keeps no fields" in result.warnings


def test_streams_and_previews_are_deinterlaced(tmp_path: Path) -> None:
    path = write_interlaced(tmp_path / "v.mkv", "top")
    with open_source(path) as source:
        frame = next(iter(source))
    nothing = Segmentation(frame, np.zeros((HEIGHT, WIDTH), np.uint8), 0.0)
    painted = YuvPainter(OverlayStyle())(nothing).to_ndarray(format="rgb24")
    assert off(painted[30:], at_field(0)[30:]) < 30


def test_progressive_video_that_is_flagged_stays_as_it_is(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    detail = cv2.GaussianBlur(rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8), (0, 0), 1.5)
    pictures = [detail, *(at_field(2 * i) for i in range(4))]
    path = write_video(tmp_path / "v.mkv", pictures, options=X264["top"])
    with open_source(path) as source:
        for frame in source:
            assert frame.first_field == "top"
            assert np.array_equal(frame.rgb(), frame.video.to_ndarray(format="rgb24"))


def test_progressive_video_is_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "v.mp4", [woven(i, "top") for i in range(3)])
    monkeypatch.setattr("cornea_stream.media.frame.deinterlace", None)
    with open_source(path) as source:
        for frame in source:
            assert frame.first_field is None
            assert np.array_equal(frame.rgb(), frame.video.to_ndarray(format="rgb24"))


@pytest.mark.parametrize("noise", [0, 4])
def test_combs_are_told_from_noise_and_detail(noise: int) -> None:
    rng = np.random.default_rng(1)
    moving = cv2.cvtColor(woven(0, "top"), cv2.COLOR_RGB2GRAY).astype(float)
    still = cv2.cvtColor(at_field(0), cv2.COLOR_RGB2GRAY).astype(float)
    grain = rng.normal(0, noise, moving.shape) if noise else 0
    found = [np.clip(np.rint(image + grain), 0, 255).astype(np.uint8) for image in (moving, still)]
    assert [is_combed(image, "top") for image in found] == [True, False]


@pytest.mark.parametrize(("order", "first"), [("tt", "top"), ("bb", "bottom")])
def test_codecs_without_a_flag_of_their_own(tmp_path: Path, order: str, first: Field) -> None:
    path = write_video(
        tmp_path / "v.mkv", [woven(i, first) for i in range(3)], codec="ffv1",
        options={"field_order": order},
    )  # fmt: skip
    with open_source(path) as source:
        for index, frame in enumerate(source):
            assert not frame.video.interlaced_frame
            assert off(frame.rgb(), at_field(2 * index)) < 30


def test_dv_shows_the_bottom_field_first(tmp_path: Path) -> None:
    path = tmp_path / "v.dv"
    with av.open(str(path), "w", format="dv") as container:
        stream = container.add_stream("dvvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 720, 576, "yuv420p"
        for index in range(2):
            picture = np.full((576, 720, 3), 90, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with open_source(path) as source:
        assert [frame.first_field for frame in source] == ["bottom", "bottom"]


def as_soft_telecine(path: Path, interlaced: int) -> None:
    """Let a decoder repeat fields of film, as on DVDs; flag one frame as made of two fields."""
    content, at, cadence = bytearray(path.read_bytes()), 0, [(1, 1), (0, 0), (0, 1), (1, 0)]
    frame = 0
    while (at := content.find(b"\0\0\1\xb5", at) + 4) > 3:
        if content[at] >> 4 == 1:  # of a sequence: it is not all progressive
            content[at + 1] &= ~0x08
        elif content[at] >> 4 == 8:  # of a frame: top field first, a field repeated, progressive
            top_first, repeats = cadence[frame % 4] if frame != interlaced else (1, 0)
            content[at + 3] = content[at + 3] & ~0x82 | top_first << 7 | repeats << 1
            content[at + 4] = content[at + 4] & ~0x80 | (frame != interlaced) << 7
            frame += 1
    path.write_bytes(content)


def test_soft_telecine_is_progressive(tmp_path: Path) -> None:
    """The stored frames are those of the film; only what is flagged has two moments."""
    pictures = [np.pad(woven(i, "top"), ((0, 8), (0, 16), (0, 0))) for i in range(COUNT)]
    path = write_video(
        tmp_path / "v.m2v", pictures, codec="mpeg2video", options={"bf": "0", "b": "8M"},
        time_base=Fraction(1, 25),
    )  # fmt: skip
    as_soft_telecine(path, interlaced=5)
    with open_source(path) as source:
        assert source.info.field_order is None
        frames = list(source)
    assert len(frames) == COUNT
    for index, frame in enumerate(frames):
        assert frame.first_field == ("top" if index == 5 else None)
        kept = np.array_equal(frame.rgb(), frame.video.to_ndarray(format="rgb24"))
        assert kept == (index != 5)


def test_soft_telecine_of_h264_is_progressive(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "v.ts", [woven(i, "top") for i in range(COUNT)],
        options={"x264-params": "pulldown=32"},
    )  # fmt: skip
    with open_source(path) as source:
        assert {frame.first_field for frame in source} == {None}
    assert source.warnings == []


def test_chunks_equal_one_piece(tmp_path: Path, segmenter: Segmenter) -> None:
    path = tmp_path / "v.mp4"
    pictures = [woven(i % 16, "top") for i in range(60)]
    write_video(path, pictures, options={"g": "10", **X264["top"]})
    whole, cut = both(path, segmenter)
    assert_equal(whole, cut)
    assert [text for text in cut.warnings if text.startswith("interlaced, top field first")]


@pytest.mark.parametrize("first", ["top", "bottom"])
def test_tiny_frames_have_no_fields(first: Field) -> None:
    for height in (1, 2):
        rgb = np.arange(6 * height, dtype=np.uint8).reshape(height, 2, 3)
        done = rgb.copy()
        deinterlace([done], first)
        assert np.array_equal(done, rgb)
