"""HDR: the network, PNGs and overlay see what a display of standard range would show."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from conftest import Image, disc, read_video, write_video

from cornea_stream.engines.preprocess import model_input
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.hdr import in_standard_range, tone_mapped
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_stream.sources import open_source

PQ, HLG = 16, 18
TO_BT2020 = np.array(
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
)  # ITU-R BT.2087


def signal(picture: Image, transfer: int) -> np.ndarray:
    """Return a picture of standard range as (H, W, 3) PQ or HLG of 0 to 1, white at 203 cd/m²."""
    nits = 203 * (picture / 255) ** 2.4 @ TO_BT2020.T
    if transfer == PQ:
        power = (nits / 10000) ** 0.1593017578125
        return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    display = nits / 1000
    luma = display @ (0.2627, 0.6780, 0.0593)
    scene = display * np.maximum(luma, 1e-9)[..., None] ** (1 / 1.2 - 1)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    low = np.sqrt(3 * scene)
    return np.where(scene <= 1 / 12, low, a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)


def write_hdr(
    path: Path,
    pictures: list[Image],
    transfer: int,
    codec: str = "libx265",
    *,
    pix_fmt: str = "yuv420p10le",
    **options: str,
) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.options = {"crf": "8", **options}
        if codec == "libx265":
            stream.options = {"crf": "8", "x265-params": "log-level=error"}
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc = 9, 9, transfer
        context.color_range = 1
        for index, picture in enumerate(pictures):
            deep = np.rint(65535 * np.clip(signal(picture, transfer), 0, 1)).astype(np.uint16)
            frame = av.VideoFrame.from_ndarray(deep, format="rgb48le").reformat(
                format=pix_fmt, dst_colorspace=9, dst_color_range=1
            )
            frame.colorspace, frame.color_range = 9, 1
            frame.color_primaries, frame.color_trc = 9, transfer
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_hdr_is_tone_mapped_everywhere(tmp_path: Path, segmenter: Segmenter, transfer: int) -> None:
    pictures = [disc(160, 120, 60, 60, 30)[0]] * 3
    for picture in pictures:
        picture[100:] = (180, 60, 40)
    hdr = write_hdr(tmp_path / "hdr.mov", pictures, transfer)
    plain = write_video(tmp_path / "plain.mp4", pictures)
    with open_source(hdr) as source:
        frame = next(iter(source))
    assert np.abs(frame.rgb().astype(int) - pictures[0]).mean() < 5
    small = model_input(frame, (60, 80)).astype(int)
    assert np.abs(small - pictures[0][::2, ::2]).mean() < 8
    options = RunOptions(mask=True, frames=True)
    outs = [Path(run_source(p, tmp_path / "out", segmenter, options).folder) for p in (hdr, plain)]
    overlays, masks = (
        [[frame for _, frame in read_video(out / name)] for out in outs]
        for name in ("overlay.mp4", "mask.mkv")
    )
    for one, other in zip(*masks, strict=True):
        a, b = one.to_ndarray(format="gray") > 0, other.to_ndarray(format="gray") > 0
        assert (a & b).sum() / (a | b).sum() > 0.98
    for one, other in zip(*overlays, strict=True):
        tags = one.colorspace, one.color_primaries, one.color_trc
        assert tuple(map(int, tags)) == (1, 1, 1)
        difference = one.to_ndarray(format="rgb24").astype(int) - other.to_ndarray(format="rgb24")
        assert np.abs(difference).mean() < 6


@pytest.mark.parametrize("references", [{"bf": "0"}, {"bf": "3", "refs": "4"}])
def test_frames_that_others_are_predicted_from_stay(
    tmp_path: Path, references: dict[str, str]
) -> None:
    """Frames of 8 bits are tone-mapped while the decoder still refers to them."""
    coarse = np.random.default_rng(0).integers(0, 256, (12, 20, 3)).astype(np.uint8)
    wide = cv2.resize(coarse, (320, 192), interpolation=cv2.INTER_NEAREST)
    pictures = [np.ascontiguousarray(wide[i : i + 120, 2 * i : 2 * i + 160]) for i in range(50)]
    options = {"g": "50", "x264-params": "slices=4", **references}
    path = write_hdr(tmp_path / "a.mp4", pictures, HLG, "libx264", pix_fmt="yuv420p", **options)
    with av.open(str(path)) as container:
        untouched = list(container.decode(video=0))
    expected = [in_standard_range(video).to_ndarray(format="rgb24") for video in untouched]
    for threading in ("SLICE", "FRAME", "AUTO"):
        for count in (1, 2, 4):
            with av.open(str(path)) as container:
                stream = container.streams.video[0]
                stream.thread_type, stream.codec_context.thread_count = threading, count
                for video, mapped in zip(container.decode(video=0), expected, strict=True):
                    found = in_standard_range(video).to_ndarray(format="rgb24")
                    assert np.array_equal(found, mapped)
    with open_source(path) as source:
        for frame, mapped in zip(source, expected, strict=True):
            assert np.array_equal(frame.rgb(), mapped)


def test_hdr_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SVT_LOG", "1")
    picture = disc(160, 120, 60, 60, 30)[0]
    for transfer, name in ((PQ, "PQ"), (HLG, "HLG")):
        path = write_hdr(tmp_path / f"{name}.avif", [picture], transfer, "libsvtav1")
        assert_mapped(path, picture, name)


@pytest.mark.parametrize(("transfer", "name"), [(PQ, "PQ"), (HLG, "HLG")])
def test_hdr_heic(tmp_path: Path, transfer: int, name: str) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    picture = disc(160, 120, 60, 60, 30)[0]
    deep = np.rint(65535 * np.clip(signal(picture, transfer), 0, 1)).astype(np.uint16)
    path = tmp_path / "a.heic"
    pillow_heif.from_bytes("RGB;16", (160, 120), deep.tobytes()).save(
        path, quality=95, color_primaries=9, transfer_characteristics=transfer,
        matrix_coefficients=9, full_range_flag=1,
    )  # fmt: skip
    assert_mapped(path, picture, name)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("transfer", "name"), [(PQ, "PQ"), (HLG, "HLG")])
def test_hdr_png(tmp_path: Path, transfer: int, name: str, bits: int) -> None:
    picture = disc(160, 120, 60, 60, 30)[0]
    most = 2**bits - 1
    stored = np.rint(most * np.clip(signal(picture, transfer), 0, 1)).astype(f"uint{bits}")
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), stored[..., ::-1])
    assert_mapped(with_color_tags(path, bytes([9, transfer, 0, 1])), picture, name)


def with_color_tags(path: Path, tags: bytes) -> Path:
    """Add the chunk for coding-independent code points to a PNG (PNG 3, 11.3.2.6)."""
    content, chunk = path.read_bytes(), b"cICP" + tags
    added = struct.pack(">I", len(tags)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(content[:33] + added + content[33:])
    return path


def assert_mapped(path: Path, picture: Image, name: str) -> None:
    with open_source(path) as source:
        (frame,) = source
        assert source.info.hdr == name
        assert [text.startswith(f"HDR ({name}) is tone-mapped") for text in source.warnings] == [
            True
        ]
    assert np.abs(frame.rgb().astype(int) - picture).mean() < 6


def test_the_run_says_so(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_hdr(tmp_path / "hdr.mov", [disc(160, 120, 60, 60, 30)[0]] * 2, PQ)
    result = run_source(path, tmp_path / "out", segmenter)
    assert [w for w in result.warnings if w.startswith("HDR (PQ) is tone-mapped")]


def test_highlights_keep_their_order() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)[None]
    for transfer in (PQ, HLG):
        found = tone_mapped(ramp, transfer, 9)[0, :, 1].astype(int)
        assert (np.diff(found) >= 0).all()
        assert (found[0], found[255]) == (0, 255)


def test_what_is_not_pixels_stays(tmp_path: Path) -> None:
    path = write_hdr(tmp_path / "hdr.mov", [disc(160, 120, 60, 60, 30)[0]] * 3, PQ)
    with av.open(str(path)) as container:
        stored = list(container.decode(video=0))
    with open_source(path) as source:
        frames = list(source)
        assert source.info.hdr == "PQ"
    for frame, before in zip(frames, stored, strict=True):
        video = frame.video
        assert (video.pts, video.time_base, video.key_frame, video.duration) == (
            before.pts, before.time_base, before.key_frame, before.duration,
        )  # fmt: skip
