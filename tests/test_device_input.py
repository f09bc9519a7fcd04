"""Native planes made the network's input on the device, here a CPU: the bytes of `model_input`."""

from __future__ import annotations

import platform
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from conftest import REAL_CLIP, Image, disc, needs_real_clip, write_video

from cornea_stream.engines.preprocess import model_input
from cornea_stream.engines.torch_cuda.device_input import device_input
from cornea_stream.engines.torch_cuda.engine import TorchCUDAEngine
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.frame import Frame
from cornea_stream.media.planes import Planes, native_planes, view
from cornea_stream.models.checkpoint import load_checkpoint
from cornea_stream.postprocess.mask import iou
from cornea_stream.sources import open_source
from cornea_stream.synthetic import generate_clip

CPU = torch.device("cpu")
# FFmpeg's conversion for other processors rounds differently.
MOST_DIFFERENCE = 0 if platform.machine() in ("x86_64", "AMD64") else 3


def noise(
    width: int, height: int, pix_fmt: str = "yuv420p", colorspace: int = 2, color_range: int = 0
) -> av.VideoFrame:
    rng = np.random.default_rng(width * height)
    video = av.VideoFrame(width, height, pix_fmt)
    for plane in video.planes:
        view(plane)[:] = rng.integers(0, 256, (plane.height, plane.width), np.uint8)
    video.colorspace, video.color_range = colorspace, color_range
    return video


def on_device(frames: list[Frame], image_size: tuple[int, int]) -> Image:
    found = [native_planes(frame) for frame in frames]
    assert all(isinstance(one, Planes) for one in found)
    rows = [np.concatenate([part.ravel() for part in one.pixels]) for one in found if one]
    assert found[0] is not None
    return device_input(torch.from_numpy(np.stack(rows)), found[0].layout, image_size).numpy()


def assert_same(found: Image, expected: Image) -> None:
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= MOST_DIFFERENCE


@pytest.mark.parametrize("image_size", [(64, 64), (48, 96), (256, 256)])
@pytest.mark.parametrize("size", [(320, 240), (1024, 768), (512, 324), (130, 98), (34, 50), (2, 2)])
def test_sizes_up_and_down(size: tuple[int, int], image_size: tuple[int, int]) -> None:
    frame = Frame(0, 0.0, noise(*size))
    assert_same(on_device([frame], image_size)[0], model_input(frame, image_size))


@pytest.mark.parametrize("color_range", [0, 1, 2])
@pytest.mark.parametrize("colorspace", [1, 2, 5, 6, 9])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuvj420p"])
def test_matrices_and_ranges(pix_fmt: str, colorspace: int, color_range: int) -> None:
    frame = Frame(0, 0.0, noise(160, 120, pix_fmt, colorspace, color_range))
    assert_same(on_device([frame], (64, 64))[0], model_input(frame, (64, 64)))


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_orientation(tmp_path: Path, rotation: int, mirrored: bool) -> None:
    path = write_video(
        tmp_path / "v.mp4", [disc(320, 200, 110 + 9 * i, 70, 60)[0] for i in range(3)],
        prepare=lambda s: s.set_display_rotation(rotation, hflip=mirrored),
    )  # fmt: skip
    with open_source(path) as source:
        frames = list(source)
    assert frames[0].orientation == (rotation, mirrored)
    found = on_device(frames, (48, 64))
    for one, frame in zip(found, frames, strict=True):
        assert_same(one, model_input(frame, (48, 64)))


def test_nv12_gives_what_its_planes_apart_give() -> None:
    planar = noise(160, 120)
    luma, cb, cr = (view(plane) for plane in planar.planes)
    pairs = np.dstack((cb, cr)).reshape(60, 160)
    interleaved = av.VideoFrame.from_ndarray(np.vstack((luma, pairs)), format="nv12")
    expected = model_input(Frame(0, 0.0, planar), (64, 64))
    assert_same(on_device([Frame(0, 0.0, interleaved)], (64, 64))[0], expected)


@pytest.mark.parametrize(
    "video",
    [noise(161, 120), noise(160, 121), noise(160, 120, "yuv422p"), noise(160, 120, "yuv444p"),
     noise(160, 120, "gray"), noise(160, 120, colorspace=4), noise(160, 120, colorspace=7),
     av.VideoFrame(160, 120, "yuv420p10le"), av.VideoFrame(160, 120, "rgb24")],
)  # fmt: skip
def test_what_takes_more_is_left_to_the_cpu(video: av.VideoFrame) -> None:
    assert native_planes(Frame(0, 0.0, video)) is None


def test_interlaced_frames_are_left_to_the_cpu(tmp_path: Path) -> None:
    options = {"flags": "+ildct+ilme", "x264-params": "interlaced=1", "crf": "12"}
    path = write_video(tmp_path / "v.mp4", [disc(320, 240, 110, 70, 60)[0]], options=options)
    with open_source(path) as source:
        assert native_planes(next(iter(source))) is None


def segmenters(precision: str) -> tuple[Segmenter, Segmenter]:
    """Return the exact one, and one whose engine is that of a GPU, on the CPU."""
    weights = load_checkpoint()
    exact = Segmenter(weights, device="cpu", backend="torch", precision="fp32")
    ours = Segmenter(weights, device="cpu", backend="torch", precision="fp32")
    ours.engine = TorchCUDAEngine(weights, device=CPU, precision=precision, batch_size=2)
    return exact, ours


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_masks_agree_with_exact_ones_on_generated_clips(tmp_path: Path, precision: str) -> None:
    exact, ours = segmenters(precision)
    scores = []
    for seed in (11, 12):
        pictures = [rgb for rgb, _ in generate_clip(seed, 5, 384, 512)]
        path = write_video(tmp_path / f"{seed}.mp4", pictures)
        for a, b in zip(ours.stream(path), exact.stream(path), strict=True):
            assert a.present == b.present
            scores.append(iou(a.mask, b.mask))
    # The picture in which the limbus is sought is rounded in another order.
    assert np.mean(scores) >= (0.9995 if precision == "fp32" and not MOST_DIFFERENCE else 0.995)


@needs_real_clip
def test_masks_agree_with_exact_ones_on_the_real_clip() -> None:
    exact, ours = segmenters("bf16")
    pairs = zip(ours.stream(REAL_CLIP, every=10), exact.stream(REAL_CLIP, every=10), strict=True)
    assert np.mean([iou(a.mask, b.mask) for a, b in pairs]) >= 0.99


def test_layouts_in_one_batch_go_apart_and_come_back_in_order(tiny_checkpoint: Path) -> None:
    weights = load_checkpoint(tiny_checkpoint)
    engine = TorchCUDAEngine(weights, device=CPU, precision="fp32", batch_size=8)
    plain = Segmenter(weights, device="cpu", backend="torch", precision="fp32").engine
    videos = [noise(160, 120), noise(160, 120), noise(64, 48), noise(160, 120, "yuv422p"),
              noise(161, 120), noise(160, 120, colorspace=1), noise(160, 120)]  # fmt: skip
    frames = [Frame(index, 0.0, video) for index, video in enumerate(videos)]
    prepared = [engine.prepare(frame) for frame in frames]
    assert [isinstance(one, Planes) for one in prepared] == [True] * 3 + [False] * 2 + [True] * 2
    found = engine.submit(prepared).result()
    for one, frame in zip(found, frames, strict=True):
        expected = plain.submit([plain.prepare(frame)]).result()[0]
        tolerance = 1e-4 if not MOST_DIFFERENCE else 1
        np.testing.assert_allclose(one, expected, atol=tolerance * np.abs(expected).max())
