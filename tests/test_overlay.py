"""Painting: YUV pixels agree with painting in RGB, whatever the format, size and rotation."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace
from conftest import disc, write_video

from cornea_stream.errors import UsageError
from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.media.color import NAMED, parse_color, rgb_to_yuv
from cornea_stream.media.frame import Frame
from cornea_stream.media.overlay import OverlayStyle, YuvPainter, paint_image, paint_rgb
from cornea_stream.sources import open_source

GREEN = NAMED["green"]
FILLED = OverlayStyle(GREEN)
OUTLINED = OverlayStyle(GREEN, contour=True)


def segmentation(
    tmp_path: Path, width: int, height: int, pix_fmt: str, rotation: int
) -> Segmentation:
    picture, _ = disc(width, height, width * 0.6, height * 0.6, height * 0.2)
    path = write_video(
        tmp_path / "v.mkv", [picture], pix_fmt=pix_fmt, codec="ffv1",
    )  # fmt: skip
    if rotation:
        path = write_video(
            tmp_path / "v.mp4", [picture], pix_fmt=pix_fmt, options={"qp": "1"},
            prepare=lambda s: s.set_display_rotation(rotation),
        )  # fmt: skip
    with open_source(path) as source:
        frame = next(iter(source))
    tall, wide = frame.size
    return Segmentation(frame, disc(wide, tall, wide * 0.55, tall * 0.7, tall * 0.15)[1], 0.9)


@pytest.mark.parametrize(
    ("width", "height", "pix_fmt"),
    [(320, 240, "yuv420p"), (321, 241, "yuv420p"), (320, 240, "yuv422p"), (318, 242, "yuv444p"),
     (320, 240, "yuv420p10le"), (322, 240, "bgr0"), (320, 240, "gray")],
)  # fmt: skip
def test_yuv_painting_agrees_with_rgb(
    tmp_path: Path, width: int, height: int, pix_fmt: str
) -> None:
    found = segmentation(tmp_path, width, height, pix_fmt, 0)
    before = [bytes(plane) for plane in found.frame.video.planes]
    painted = YuvPainter(FILLED)(found)
    assert [bytes(plane) for plane in found.frame.video.planes] == before
    assert painted.format.name == "yuv420p"
    assert (painted.width % 2, painted.height % 2) == (0, 0)
    got = painted.to_ndarray(format="rgb24")[:height, :width].astype(int)
    wanted = paint_rgb(found, FILLED).astype(int)
    difference = np.abs(got - wanted)
    # Edges differ by the chroma's half resolution; flat areas must not.
    assert np.median(difference) <= 3
    assert difference.mean() < 3
    center = (round(height * 0.7), round(width * 0.55))
    assert np.abs(got[center] - wanted[center]).max() <= 6


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotated_frames_are_painted_upright(tmp_path: Path, rotation: int) -> None:
    found = segmentation(tmp_path, 320, 240, "yuv420p", rotation)
    painted = Frame(0, 0.0, YuvPainter(FILLED)(found)).rgb()
    turned = np.rot90(painted, rotation // 90).astype(int)
    difference = np.abs(turned - paint_rgb(found, FILLED).astype(int))
    assert difference.mean() < 4


def test_half_green_inside_untouched_outside_legend_in_the_corner(tmp_path: Path) -> None:
    found = segmentation(tmp_path, 320, 240, "yuv444p", 0)
    plain = found.frame.rgb().astype(int)
    image = paint_rgb(found, FILLED).astype(int)
    inside = found.mask > 0
    core = cv2.erode(found.mask, np.ones((3, 3), np.uint8)) > 0
    below = np.s_[60:]
    expected = (plain + np.array(GREEN)) / 2
    assert np.abs(image[below][core[below]] - expected[below][core[below]]).max() <= 1
    assert np.array_equal(image[below][~inside[below]], plain[below][~inside[below]])
    legend = image[:25, :90]
    assert (np.all(legend == GREEN, axis=2)).sum() > 50  # the swatch
    assert (legend.min(axis=2) > 200).sum() > 20  # the white letters


def test_edge_of_the_overlay_is_blended_pixel_by_pixel(tmp_path: Path) -> None:
    found = segmentation(tmp_path, 320, 240, "yuv444p", 0)
    plain = found.frame.rgb().astype(float)
    image = paint_rgb(found, OverlayStyle((255, 0, 0), 1.0)).astype(float)
    share = (image[..., 0] - plain[..., 0]) / np.maximum(255 - plain[..., 0], 1)
    edge = (found.mask > 0) & (cv2.erode(found.mask, np.ones((3, 3), np.uint8)) == 0)
    edge[:60] = False  # the legend
    assert 0.3 < share[edge].min() < 0.7
    assert share[edge].max() < 0.95


@pytest.mark.parametrize("opacity", [0.0, 0.25, 1.0])
def test_opacity(tmp_path: Path, opacity: float) -> None:
    found = segmentation(tmp_path, 320, 240, "yuv420p", 0)
    plain = found.frame.rgb().astype(float)
    center = (round(240 * 0.7), round(320 * 0.55))
    expected = plain[center] * (1 - opacity) + np.array((255, 0, 0)) * opacity
    got = YuvPainter(OverlayStyle((255, 0, 0), opacity))(found).to_ndarray(format="rgb24")[center]
    assert np.abs(got - expected).max() <= 4


@pytest.mark.parametrize("thickness", [1, 2, 3, 8])
def test_an_outline_has_its_thickness_and_leaves_the_inside_visible(
    tmp_path: Path, thickness: int
) -> None:
    found = segmentation(tmp_path, 320, 240, "yuv444p", 0)
    plain = found.frame.rgb().astype(float)
    style = OverlayStyle(GREEN, contour=True, thickness=thickness, label=False)
    image = paint_rgb(found, style).astype(float)
    radius = np.hypot(*(np.indices((240, 320)) - np.array([240 * 0.7, 320 * 0.55])[:, None, None]))
    from_edge = np.abs(radius - 240 * 0.15)
    away, line = from_edge > thickness / 2 + 1.5, from_edge < thickness / 2 - 1.5
    assert np.array_equal(image[away], plain[away])
    assert np.array_equal(image[line], np.broadcast_to(GREEN, image[line].shape))
    share = (plain[..., 0] - image[..., 0]) / plain[..., 0]  # of green, which has no red
    assert share.sum() / (2 * np.pi * 240 * 0.15) == pytest.approx(thickness, rel=0.08)
    assert ((share > 0.2) & (share < 0.8)).sum() > 50  # antialiased


def test_yuv_outlines_agree_with_rgb_and_follow_the_rotation(tmp_path: Path) -> None:
    for rotation in (0, 90):
        found = segmentation(tmp_path, 320, 240, "yuv420p", rotation)
        painted = Frame(0, 0.0, YuvPainter(OUTLINED)(found)).rgb()
        turned = np.rot90(painted, rotation // 90).astype(int)
        wanted = paint_rgb(found, OUTLINED).astype(int)
        assert np.abs(turned - wanted).mean() < 4
        where = (wanted == GREEN).all(axis=2)
        where[:60] = False  # the legend
        assert turned[where][:, 1].mean() > 200


def test_the_border_of_the_picture_is_no_edge() -> None:
    mask = np.zeros((61, 81), np.uint8)
    mask[:, 40:] = 255
    image = np.full((61, 81, 3), 100, np.uint8)
    painted = paint_image(image, mask, OverlayStyle(GREEN, contour=True, label=False))
    columns = np.flatnonzero((painted != 100).any(axis=(0, 2)))
    assert columns.tolist() == [39, 40]
    assert (image == 100).all()


def test_without_a_label_nothing_is_drawn_beside_the_cornea(tmp_path: Path) -> None:
    found = segmentation(tmp_path, 320, 240, "yuv420p", 0)
    bare = OverlayStyle(GREEN, label=False)
    image, plain = paint_rgb(found, bare), found.frame.rgb()
    assert np.array_equal(image[found.mask == 0], plain[found.mask == 0])
    corner = np.s_[:40, :80]
    source = found.frame.video.to_ndarray(format="rgb24")
    assert np.array_equal(
        YuvPainter(bare)(found).to_ndarray(format="rgb24")[corner], source[corner]
    )


def test_styles_out_of_range() -> None:
    for wrong in ({"opacity": 1.5}, {"thickness": 0}, {"thickness": 2.5}):
        with pytest.raises(UsageError, match="must"):
            OverlayStyle(**wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="thickness is for an outline: use contour=True"):
        OverlayStyle(thickness=5)


def test_tiny_frames_take_what_fits_of_the_legend(tmp_path: Path) -> None:
    found = segmentation(tmp_path, 16, 16, "yuv420p", 0)
    assert YuvPainter(FILLED)(found).width == 16
    assert paint_rgb(found, FILLED).shape == (16, 16, 3)


@pytest.mark.parametrize("matrix", [Colorspace.ITU601, Colorspace.ITU709])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("color", list(NAMED.values()))
def test_rgb_to_yuv_agrees_with_swscale(
    matrix: Colorspace, full: bool, color: tuple[int, int, int]
) -> None:
    color_range = ColorRange.JPEG if full else ColorRange.MPEG
    picture = np.full((32, 32, 3), color, np.uint8)
    frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(
        format="yuv444p", dst_colorspace=matrix, dst_color_range=color_range
    )
    expected = [int(np.frombuffer(bytes(p), np.uint8)[0]) for p in frame.planes]
    got = rgb_to_yuv(color, {Colorspace.ITU601: 5}.get(matrix, 1), int(color_range))
    assert np.abs(np.subtract(got, expected)).max() <= 1


def test_colors() -> None:
    assert parse_color(" Green ") == (0, 255, 0)
    assert parse_color("#0a1B2c") == (10, 27, 44)
    assert parse_color("#0Fa") == (0, 255, 170)
    for text in ("grün", "#12", "12345g", "", "#", "0xabcd", "-12345", "0a1b2c", "#-12345",
                 "#1_2345", "# 12345", "#١٢٣"):  # fmt: skip
        with pytest.raises(UsageError, match="unknown color"):
            parse_color(text)
