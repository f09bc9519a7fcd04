"""Every common type of image gives the same mask, and what is none is named."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch
from conftest import disc, moving_discs, write_video
from PIL import Image as Pillow

from cornea_stream import Segmenter, Session
from cornea_stream.errors import CorneaStreamError, SourceError, UsageError
from cornea_stream.media.fields import Field
from cornea_stream.media.frame import Frame

RGB, _ = disc(160, 120, 70, 60, 30)
RGB[..., 2] //= 2  # swapped channels would show


@dataclass
class Decoded:
    """A frame of torchcodec."""

    data: torch.Tensor
    pts_seconds: float


def saved(folder: Path, name: str) -> Path:
    Pillow.fromarray(RGB).save(folder / name)
    return folder / name


SAME = {
    "array": lambda _: RGB,
    "not contiguous": lambda _: np.asfortranarray(RGB),
    "channels first": lambda _: RGB.transpose(2, 0, 1),
    "alpha": lambda _: np.dstack([RGB, np.full(RGB.shape[:2], 7, np.uint8)]),
    "floats": lambda _: RGB / 255,
    "batch of one": lambda _: RGB[None],
    "tensor": lambda _: torch.from_numpy(RGB),
    "CHW": lambda _: torch.from_numpy(RGB).permute(2, 0, 1),
    "NCHW": lambda _: torch.from_numpy(RGB).permute(2, 0, 1)[None],
    "float tensor": lambda _: torch.from_numpy(RGB).permute(2, 0, 1) / 255,
    "half": lambda _: torch.from_numpy(RGB).permute(2, 0, 1).half() / 255,
    "with gradient": lambda _: (torch.from_numpy(RGB) / 255).requires_grad_(),
    "PIL": lambda _: Pillow.fromarray(RGB),
    "PIL with alpha": lambda _: Pillow.fromarray(RGB).convert("RGBA"),
    "PyAV": lambda _: av.VideoFrame.from_ndarray(RGB, format="rgb24"),
    "torchcodec": lambda _: Decoded(torch.from_numpy(RGB).permute(2, 0, 1), 0.5),
    "path": lambda folder: saved(folder, "eye.png"),
    "text": lambda folder: str(saved(folder, "eye.png")),
}


@pytest.mark.parametrize("kind", SAME)
def test_every_type_gives_the_same(kind: str, segmenter: Segmenter, tmp_path: Path) -> None:
    expected = segmenter(RGB)
    image = SAME[kind](tmp_path)
    for found in (segmenter(image), *segmenter.predict([image]), *segmenter.predict(image)):
        np.testing.assert_array_equal(found.frame.rgb(), RGB)
        np.testing.assert_array_equal(found.mask, expected.mask)
    if kind not in ("path", "text"):
        with Session(segmenter) as session:
            np.testing.assert_array_equal(session.submit(image).result(60).mask, expected.mask)


@pytest.mark.parametrize("kind", ["array", "channels first", "alpha", "floats", "CHW"])
def test_bgr_is_turned(kind: str, segmenter: Segmenter, tmp_path: Path) -> None:
    image = SAME[kind](tmp_path)
    axis = {"channels first": 0, "CHW": 0}.get(kind, 2)
    order = [2, 1, 0, 3][: image.shape[axis]]
    swapped = image[order] if axis == 0 else image[..., order]
    found = segmenter(swapped, color="bgr")
    assert (segmenter(swapped, color="BGR").mask == found.mask).all()
    np.testing.assert_array_equal(found.frame.rgb(), RGB)
    (streamed,) = segmenter.stream([swapped], color="bgr")
    np.testing.assert_array_equal(streamed.frame.rgb(), RGB)
    np.testing.assert_array_equal(found.overlay(color="bgr")[..., ::-1], found.overlay())
    np.testing.assert_array_equal(found.overlay(color="BGR"), found.overlay(color="bgr"))
    np.testing.assert_array_equal(found.overlay(color="RGB"), found.overlay())


@pytest.mark.parametrize("first_field", [None, "top"])
def test_pixels_are_the_callers(first_field: Field | None) -> None:
    stored = RGB.copy()
    stored[::2] = 255 - stored[::2]  # all rows are combed
    frame = Frame(0, 0.0, av.VideoFrame.from_ndarray(stored, "rgb24"), first_field=first_field)
    for get in (frame.rgb, frame.stored_rgb):
        get()[:] = 0
        np.testing.assert_array_equal(frame.video.to_ndarray(), stored)
        assert get().any()


@pytest.mark.parametrize("shape", [(120, 160), (120, 160, 1), (1, 120, 160)])
@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy])
def test_gray_is_repeated(shape: tuple[int, ...], make: Any, segmenter: Segmenter) -> None:
    gray = np.ascontiguousarray(RGB[..., 0])
    rgb = segmenter(make(gray.reshape(shape))).frame.rgb()
    np.testing.assert_array_equal(rgb, np.dstack([gray] * 3))


def test_a_frame_that_is_three_pixels_high_is_no_batch_of_rows(segmenter: Segmenter) -> None:
    found = segmenter(np.zeros((3, 50, 3), np.uint8))
    assert found.mask.shape == (3, 50)
    found = segmenter(torch.zeros(3, 4, 3))
    assert found.mask.shape == (4, 3)


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy])
def test_batches(make: Any, channels_last: bool, segmenter: Segmenter) -> None:
    batch = np.stack(moving_discs(5))
    expected = [segmenter(image).mask for image in batch]
    given = make(batch if channels_last else batch.transpose(0, 3, 1, 2).copy())
    for results in (segmenter.predict(given), list(segmenter.stream(given))):
        assert [found.frame.index for found in results] == list(range(5))
        for found, mask in zip(results, expected, strict=True):
            np.testing.assert_array_equal(found.mask, mask)
    assert segmenter.predict([]) == []


def test_a_list_of_images_has_no_times_but_a_stream_does(segmenter: Segmenter) -> None:
    images = moving_discs(3)
    listed, streamed = segmenter.predict(images), list(segmenter.stream(images))
    assert [found.frame.index for found in listed] == [0, 1, 2]
    assert [found.frame.time_s for found in listed] == [segmenter(images[0]).frame.time_s] * 3
    assert [found.frame.time_s for found in streamed] == [0, 0.04, 0.08]
    assert [found.frame.time_s for found in segmenter.predict([f.frame for f in streamed])] == [
        0, 0.04, 0.08,
    ]  # fmt: skip


def test_times_of_decoded_frames_are_kept(segmenter: Segmenter) -> None:
    frames = [Decoded(torch.from_numpy(RGB), 0.1 * index) for index in range(3)]
    times = [found.frame.time_s for found in segmenter.stream(frames)]
    assert times == pytest.approx([0, 0.1, 0.2])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "image cannot be None: cv2.imread"),
        ([[0]], "image cannot be of type list: give an array or tensor"),
        (5, "image cannot be of type int: give an array"),
        (b"eye", "image cannot be of type bytes: give an array"),
        ((False, None), "image cannot be of type tuple: give an array"),
        (np.zeros((0, 4, 3), np.uint8), "image is empty"),
        (torch.zeros(3, 0, 4), "image is empty"),
        (np.zeros((4, 4, 3), np.uint16), "image cannot be uint16: .*: give uint8"),
        (np.zeros((4, 4), bool), "image cannot be bool: .*: give uint8"),
        (np.full((4, 4, 3), 200.0), "image must be from 0 to 1 .*: found 200 to 200"),
        (np.full((4, 4, 3), math.nan), "image must be from 0 to 1"),
        (np.zeros((5, 5, 5), np.uint8), r"image must be \(H, W, 3\).*: \(5, 5, 5\)"),
        (np.zeros(4, np.uint8), r"image must be \(H, W, 3\)"),
        (np.zeros((2, 4, 4, 3), np.uint8), "image is a batch of 2: .*predict"),
        (Pillow.new("I;16", (4, 4)), "image has more than 8 bits: PIL mode I;16"),
        (Pillow.new("RGB", (0, 4)), "image is empty"),
    ],
)
def test_what_is_no_image_is_named(image: Any, message: str, segmenter: Segmenter) -> None:
    with pytest.raises(UsageError, match=message):
        segmenter(image)
    with Session(segmenter) as session, pytest.raises(UsageError, match=message):
        session.submit(image)
    if not isinstance(image, np.ndarray | list | tuple | bytes):
        with pytest.raises(UsageError, match=message):
            list(segmenter.stream([image]))


def test_paths_that_hold_no_single_image(segmenter: Segmenter, tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4", moving_discs(3))
    with pytest.raises(UsageError, match=r"image must be a single image: .*v\.mp4: use .*stream"):
        segmenter(video)
    with pytest.raises(UsageError, match="image must be a single image"):
        segmenter.predict(video)
    with pytest.raises(SourceError, match="input not found"):
        segmenter(tmp_path / "none.png")
    with pytest.raises(SourceError, match="input not found"):
        segmenter.predict([tmp_path / "none.png"])


def test_color_is_an_order_of_channels(segmenter: Segmenter) -> None:
    for call in (segmenter, segmenter.predict, segmenter.stream):
        with pytest.raises(UsageError, match="color must be rgb or bgr: 'green'"):
            call([RGB] if call != segmenter else RGB, color="green")  # type: ignore[operator]
    with Session(segmenter) as session, pytest.raises(CorneaStreamError, match="color must be"):
        session.submit(RGB, color="grb")  # type: ignore[arg-type]


@pytest.mark.parametrize("image", ["array", "CHW", "PIL", "PyAV"])
def test_a_single_image_is_no_stream(image: str, segmenter: Segmenter, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="source is a single image"):
        segmenter.stream(SAME[image](tmp_path))


def test_a_file_that_opencv_cannot_read(segmenter: Segmenter, tmp_path: Path) -> None:
    (tmp_path / "eye.png").write_text("no image")
    with pytest.raises(UsageError, match=r"cv2\.imread"):
        segmenter(cv2.imread(str(tmp_path / "eye.png")), color="bgr")  # type: ignore[arg-type]
