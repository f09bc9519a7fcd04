"""Image files: whole, upright, every page, as a second reader reads them, or refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
from conftest import disc, read_video
from image_files import far, save, scene, shown, write_avif_grid, write_tiff
from PIL import ImageOps

from cornea_stream.errors import SourceError, UsageError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_stream.sources import is_still, open_source
from cornea_stream.sources.images import images_in

ORIENTATIONS = range(1, 9)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "avif"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_orientations(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = save(tmp_path / f"a.{suffix}", scene(), orientation)
    with PIL.Image.open(path) as image:
        truth = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    (found,) = shown(path)
    assert far(found, truth) < 2
    upright = {1: scene(), 6: np.rot90(scene(), -1), 2: scene()[:, ::-1]}
    if orientation in upright:
        assert far(found, upright[orientation]) < 5


@pytest.mark.parametrize("size", [(159, 121), (160, 120)])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_turned_jpegs_of_odd_sizes(tmp_path: Path, size: tuple[int, int], subsampling: str) -> None:
    (found,) = shown(save(tmp_path / "a.jpg", scene(*size), 5, subsampling=subsampling, quality=95))
    assert far(found, scene(*size).transpose(1, 0, 2)) < 3


def test_folder_of_differently_turned_images(tmp_path: Path, segmenter: Segmenter) -> None:
    """Masks, tables and overlays agree, whatever way each image is stored, and so do colors."""
    picture, truth = disc(160, 120, 45, 75, 28)
    folder = tmp_path / "eye"
    folder.mkdir()
    for number in (1, 2, 3, 4):
        stored = {1: picture, 2: picture[:, ::-1], 3: picture[::-1, ::-1], 4: picture[::-1]}
        save(folder / f"{number}.jpg", np.ascontiguousarray(stored[number]), number, quality=95)
    PIL.Image.fromarray(picture).save(folder / "5.png")
    options = RunOptions(mask=True, frames=True, metrics=True)
    out = Path(run_source(folder, tmp_path / "out", segmenter, options).folder)
    overlays = [frame.to_ndarray(format="rgb24") for _, frame in read_video(out / "overlay.mp4")]
    masks = [frame.to_ndarray(format="gray") for _, frame in read_video(out / "mask.mkv")]
    assert len(overlays) == len(masks) == 5
    for index, (overlay, mask) in enumerate(zip(overlays, masks, strict=True)):
        assert np.logical_and(mask, truth).sum() / np.logical_or(mask, truth).sum() > 0.9
        assert far(overlay[25:], overlays[0][25:]) < 3.5
        assert np.abs(overlay[-10:].astype(int) - picture[-10:]).max() < 8
        stored_mask = cv2.imread(
            str(out / "frames" / f"{index:06d}_mask.png"), cv2.IMREAD_GRAYSCALE
        )
        assert (stored_mask == mask).mean() > 0.99
    rows = np.genfromtxt(out / "metrics.csv", delimiter=",", names=True, dtype=None, encoding=None)
    assert np.ptp(rows["centroid_x"]) < 2
    assert abs(rows["centroid_x"][0] - 45) < 3


def test_upright_and_wide_images_keep_their_shape(tmp_path: Path, segmenter: Segmenter) -> None:
    """A round eye stays round in the videos, which have the size of the first image."""
    folder = tmp_path / "eye"
    folder.mkdir()
    wide, tall = disc(160, 120, 80, 60, 28), disc(120, 160, 60, 80, 28)
    PIL.Image.fromarray(wide[0]).save(folder / "1.png")
    save(folder / "2.jpg", np.rot90(tall[0]).copy(), 6, quality=95)
    out = Path(run_source(folder, tmp_path / "out", segmenter, RunOptions(mask=True)).folder)
    for name in ("mask.mkv", "overlay.mp4"):
        _, (_, second) = read_video(out / name)
        assert (second.width, second.height) == (160, 120)
        image = second.to_ndarray(format="rgb24").astype(int)
        assert image[:, :30].max() < 12
        assert image[:, -30:].max() < 12
        rows, columns = np.nonzero(image[30:, 35:-35, 1] > 150)
        assert abs(np.ptp(rows) - 42) < 5
        assert abs(np.ptp(columns) - 42) < 5


def test_avif_grid(tmp_path: Path) -> None:
    path = write_avif_grid(tmp_path / "a.avif", scene(256, 192), 2, 2)
    (found,) = shown(path)
    assert far(found, scene(256, 192)) < 4


def test_heic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "a.heic"
    pillow_heif.from_pillow(PIL.Image.fromarray(scene())).save(path, quality=95)
    (found,) = shown(path)
    assert far(found, scene()) < 4
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(SourceError, match=r"HEIC.*a\.heic.*images"):
        open_source(path)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("tile", [0, 64])
def test_layouts_of_tiff(tmp_path: Path, tile: int, planar: bool) -> None:
    (found,) = shown(write_tiff(tmp_path / "a.tif", [scene()], tile=tile, planar=planar))
    assert (found == scene()).all()


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_compressions_of_tiff(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "a.tiff"
    PIL.Image.fromarray(scene()).save(path, compression=compression)
    (found,) = shown(path)
    assert far(found, scene()) < (3 if compression == "jpeg" else 0.01)


@pytest.mark.parametrize("suffix", ["tif", "jpg"])
def test_cmyk(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    PIL.Image.fromarray(scene()).convert("CMYK").save(path)
    (found,) = shown(path)
    assert far(found, scene()) < 4


def test_pages_are_frames(tmp_path: Path, segmenter: Segmenter) -> None:
    pages = [scene(), scene()[::-1].copy(), scene()[:, ::-1].copy()]
    path = write_tiff(tmp_path / "a.tif", pages)
    assert not is_still(path)
    assert [far(a, b) for a, b in zip(shown(path), pages, strict=True)] == [0, 0, 0]
    result = run_source(path, tmp_path / "out", segmenter)
    assert result.frames == len(read_video(Path(result.folder) / "overlay.mp4")) == 3
    with open_source(path, start_s=0.04, every=2) as source:
        assert [frame.index for frame in source] == [1]
    folder = tmp_path / "folder"
    folder.mkdir()
    write_tiff(folder / "a.tif", pages)
    write_tiff(folder / "b.tif", pages[:1])
    with open_source(folder) as source:
        assert [(f.index, round(f.time_s, 2)) for f in source] == [
            (0, 0), (1, 0.04), (2, 0.08), (3, 0.12),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("pixels", "extra"),
    [
        (np.linspace(0, 65535, 160 * 120).astype(np.uint16), {}),
        (np.linspace(0, 4095, 160 * 120).astype(np.uint16), {281: 4095}),
        (np.linspace(0, 255, 160 * 120).astype(np.uint8), {}),
    ],
)
def test_gray_of_16_bits_has_its_whole_range(
    tmp_path: Path, pixels: Any, extra: dict[int, int]
) -> None:
    path = write_tiff(tmp_path / "a.tif", [pixels.reshape(120, 160)], extra=extra)
    (found,) = shown(path)
    assert np.abs(found[..., 0].ravel() - np.linspace(0, 255, 160 * 120)).max() <= 2
    assert (found[..., 0] == found[..., 2]).all()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_color_of_16_bits(tmp_path: Path, suffix: str) -> None:
    deep = scene().astype(np.uint16) * 257
    path = tmp_path / f"a.{suffix}"
    if suffix == "png":
        cv2.imwrite(str(path), deep[..., ::-1])
    else:
        write_tiff(path, [deep])
    (found,) = shown(path)
    assert far(found, scene()) < 1


def test_white_may_be_zero(tmp_path: Path) -> None:
    deep = 65535 - scene()[..., 1].astype(np.uint16) * 257
    (found,) = shown(write_tiff(tmp_path / "a.tif", [deep], photometric=0))
    assert np.abs(found[..., 1].astype(int) - scene()[..., 1]).max() <= 2


def test_thumbnails_are_no_pages(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", [scene()], extra={254: 0})
    small = write_tiff(tmp_path / "b.tif", [scene()[::4, ::4].copy()], extra={254: 1})
    with PIL.Image.open(path) as page, PIL.Image.open(small) as thumbnail:
        page.save(
            tmp_path / "both.tif", save_all=True, append_images=[thumbnail, page], tiffinfo={254: 0}
        )
    content = bytearray((tmp_path / "both.tif").read_bytes())
    with PIL.Image.open(tmp_path / "both.tif") as image:
        image.seek(1)
        entry = content.index(b"\xfe\x00\x04\x00\x01\x00\x00\x00", image.tag_v2.offset)
    content[entry + 8] = 1
    (tmp_path / "both.tif").write_bytes(content)
    assert [one.shape for one in shown(tmp_path / "both.tif")] == [(120, 160, 3)] * 2


def test_every_page_has_a_size_of_its_own(tmp_path: Path) -> None:
    large, small = scene(), scene(32, 32)
    for name, pages in (("a.tif", [large, small]), ("b.tif", [large])):
        write_tiff(tmp_path / name, pages)
        with pytest.raises(SourceError, match=rf"{name}: 160x120 is more than 0\.01 megapixels"):
            open_source(tmp_path / name, max_megapixels=0.01)
    path = write_tiff(tmp_path / "c.tif", [small, large, small])
    with open_source(path, max_megapixels=0.01) as source:
        assert [frame.index for frame in source] == [0, 2]
        (text,) = source.warnings
        assert "c.tif: 160x120 is more than 0.01 megapixels" in text


def test_the_limit_of_pillow_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 5000)
    path = write_tiff(tmp_path / "a.tif", [scene()])
    with pytest.raises(SourceError, match=r"^frame too large: .*a\.tif: .*Pillow.*PNG"):
        open_source(path)


@pytest.mark.parametrize("kind", ["signed", "planar"])
def test_samples_that_pillow_misreads_are_refused(tmp_path: Path, kind: str) -> None:
    deep = scene().astype(np.uint16) * 257
    path = tmp_path / "a.tif"
    if kind == "planar":
        write_tiff(path, [deep], planar=True)
    else:
        write_tiff(path, [scene()[..., 0].copy()], sample_format=2)
    with pytest.raises(SourceError, match=rf"{kind}.*a\.tif.*convert"):
        open_source(path)


@pytest.mark.parametrize("channels", [1, 3])
def test_floating_point_is_refused(tmp_path: Path, channels: int) -> None:
    pixels = scene().astype(np.float32)[..., :channels].squeeze() / 255
    path = write_tiff(tmp_path / "a.tif", [pixels], sample_format=3)
    with pytest.raises(SourceError, match=r"a\.tif.*convert"):
        open_source(path)


@pytest.mark.parametrize("suffix", ["webp", "avif", "png"])
def test_animations_are_frames_at_their_times(
    tmp_path: Path, segmenter: Segmenter, suffix: str
) -> None:
    pictures = [np.full((64, 96, 3), 40 + 60 * i, np.uint8) for i in range(4)]
    first, *others = map(PIL.Image.fromarray, pictures)
    path = tmp_path / f"a.{suffix}"
    first.save(path, save_all=True, append_images=others, duration=[100, 200, 100, 300])
    with open_source(path) as source:
        frames = list(source)
    assert [round(frame.time_s, 3) for frame in frames] == [0, 0.1, 0.3, 0.4]
    for frame, picture in zip(frames, pictures, strict=True):
        assert far(frame.rgb(), picture) < 3
    with open_source(path, start_s=0.1, end_s=0.4) as source:
        assert source.frame_estimate == 3  # at 10 per second
        assert [round(frame.time_s, 3) for frame in source] == [0.1, 0.3]
    result = run_source(path, tmp_path / "out", segmenter)
    overlay = read_video(Path(result.folder) / "overlay.mp4")
    assert [round(time, 3) for time, _ in overlay] == [0, 0.1, 0.3, 0.4]


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "jp2", "ppm", "tga", "webp", "jfif"])
def test_a_second_reader_agrees(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    PIL.Image.fromarray(scene()).save(path)
    with PIL.Image.open(path) as image:
        truth = np.asarray(image.convert("RGB"))
    (found,) = shown(path)
    assert far(found, truth) < 2


def test_hidden_files_are_no_images(tmp_path: Path) -> None:
    for name in (".thumb.jpg", "1.jpg", "2.jpg"):
        save(tmp_path / name, scene(40, 30) if name[0] == "." else scene())
    (tmp_path / "._1.jpg").write_bytes(b"\0\5\26\7" + bytes(100))
    with open_source(tmp_path) as source:
        assert [(f.index, f.size) for f in source] == [(0, (120, 160)), (1, (120, 160))]
        assert not source.warnings


def test_digits_of_any_kind_are_sorted(tmp_path: Path) -> None:
    """Digits of any script are numbers; raised and encircled ones are not."""
    names = ["1.png", "1²2.png", "٣.png", "12.png", "②.png"]
    for name in reversed(names):
        save(tmp_path / name, scene(40, 30))
    assert [path.name for path in images_in(tmp_path)] == names


@pytest.mark.parametrize("strict", [False, True])
def test_the_only_image_is_not_skipped(tmp_path: Path, strict: bool) -> None:
    broken = tmp_path / "b.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99))
    pages = tmp_path / "p.tif"
    pages.write_bytes(b"II*\0" + bytes(99))
    wrong = {tmp_path / "none.png": "input not found: "} | dict.fromkeys(
        (broken, pages), "not a readable image: "
    )
    for path, words in wrong.items():
        with pytest.raises(SourceError, match=f"^{words}") as raised:
            open_source(path, strict=strict)
        assert "skip" not in str(raised.value)
    with pytest.raises(SourceError, match=r"skip.*b\.png|b\.png.*skip"):
        open_source(tmp_path, strict=strict)


def test_ranges_without_images_name_the_length(tmp_path: Path) -> None:
    for number in range(5):
        PIL.Image.fromarray(scene()).save(tmp_path / f"{number}.png")
    with pytest.raises(UsageError, match=r"no image at or after 0\.2 s: .* lasts 0\.200 s"):
        open_source(tmp_path, start_s=0.2)
    with pytest.raises(UsageError, match="no image in the chosen range"):
        open_source(tmp_path, end_s=0)
    path = tmp_path / "a.webp"
    shown = [PIL.Image.fromarray(scene()), PIL.Image.fromarray(scene()[::-1])]
    shown[0].save(path, save_all=True, append_images=shown[1:], duration=500)
    with pytest.raises(UsageError, match=r"no image at or after 7 s: .* lasts 1\.000 s"):
        open_source(path, start_s=7)
