"""Images of any common type, as RGB pixels or as frames."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import av
import numpy as np
from numpy.typing import NDArray

from cornea_stream.errors import UsageError, wrong_type
from cornea_stream.media.frame import Frame, Image

if TYPE_CHECKING:  # both import slowly
    import PIL.Image
    import torch


class DecodedImage(Protocol):
    """A frame of torchcodec: (3, H, W) uint8, and its time."""

    data: torch.Tensor
    pts_seconds: float


ColorOrder: TypeAlias = Literal["rgb", "bgr", "RGB", "BGR"]
ImageInput: TypeAlias = (
    "NDArray[Any] | torch.Tensor | PIL.Image.Image | av.VideoFrame | Frame | DecodedImage"
)
"""Anything that `as_frame` takes."""
IMAGES = "an array or tensor (H, W, 3), (3, H, W) or (H, W), a PIL.Image, or an av.VideoFrame"
_CHANNELS = (1, 3, 4)
_DEEP_MODES = ("I", "F")
"""Modes of Pillow with more than 8 bits; it converts them to RGB by clipping."""


def is_bgr(color: object) -> bool:
    """Whether `color` names this order of channels, in any letter case, and not rgb.

    Raises UsageError if it names neither.
    """
    name = color.lower() if isinstance(color, str) else color
    if name not in ("rgb", "bgr"):
        raise UsageError(f"color must be rgb or bgr: {color!r}: give the order of the channels")
    return name == "bgr"


def as_frame(
    index: int,
    image: object,
    time_s: float,
    received_s: float | None = None,
    *,
    color: ColorOrder = "rgb",
) -> Frame:
    """Return an image as a frame, with `time_s` if it has no timestamp of its own.

    Raises UsageError if it is not an image.
    """
    if isinstance(image, Frame):
        return image
    if isinstance(image, av.VideoFrame):
        video = image
    else:
        time_s = float(getattr(image, "pts_seconds", time_s))  # a Frame of torchcodec
        video = av.VideoFrame.from_ndarray(rgb_pixels(image, color=color), format="rgb24")
    shown_s = time_s if video.time is None else video.time
    return Frame(index, shown_s, video, received_s, "top" if video.interlaced_frame else None)


def rgb_pixels(image: object, *, color: ColorOrder = "rgb", name: str = "image") -> Image:
    """Return an image as contiguous (H, W, 3) uint8 RGB; gray is repeated, alpha left out.

    Floats are from 0 to 1. `color` is the order of the channels of arrays and tensors.
    Raises UsageError, which calls the parameter `name`, if it is not an image.
    """
    swapped = is_bgr(color)
    if isinstance(image, Frame):
        return image.rgb()
    if isinstance(image, av.VideoFrame):
        return Frame(0, 0.0, image).rgb()
    if _is_pillow(image):
        return _pillow_pixels(image, name)
    if image is None:
        raise UsageError(
            f"{name} cannot be None: cv2.imread and cv2.VideoCapture.read return None if they "
            "fail: check the path or the camera"
        )
    pixels, is_tensor = _array(image, name)
    pixels = _channels_last(_eight_bits(pixels, name), name, first=is_tensor)
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    pixels = pixels[..., 2::-1] if swapped else pixels[..., :3]
    return np.ascontiguousarray(pixels)


def is_batch(images: object) -> bool:
    """Whether `images` is an array or tensor with a dimension for several images."""
    return _is_array(images) and len(getattr(images, "shape", ())) == 4


def is_image(image: object) -> bool:
    """Whether `image` is a single image, of any type but a path."""
    if isinstance(image, Frame | av.VideoFrame) or _is_pillow(image):
        return True
    return (_is_array(image) and not is_batch(image)) or _is_decoded(image)


def _is_decoded(image: object) -> bool:
    """Whether this is a single frame of torchcodec."""
    return hasattr(image, "pts_seconds") and len(getattr(image, "data", _NOTHING).shape) == 3


def _is_array(image: object) -> bool:
    """Whether NumPy can read it as it is: its own arrays, and those of JAX, CuPy and torch."""
    return hasattr(image, "__array__") and not _is_pillow(image) and not isinstance(image, type)


def _is_pillow(image: object) -> bool:
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(image, pillow.Image)


def _pillow_pixels(image: Any, name: str) -> Image:
    if image.mode.startswith(_DEEP_MODES):
        raise UsageError(
            f"{name} has more than 8 bits: PIL mode {image.mode}: scale it to 0–255 and convert "
            "it to mode L"
        )
    pixels = np.array(image.convert("RGB"), np.uint8)
    if pixels.size == 0:
        raise UsageError(f"{name} is empty: {image.size[0]}×{image.size[1]} pixels: check its crop")
    return pixels


def _array(image: Any, name: str) -> tuple[NDArray[Any], bool]:
    """Return an array or tensor as an array, and whether it was a tensor of torch."""
    if not _is_array(image):
        image = image.data if _is_decoded(image) else image
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(image, torch.Tensor):
        image = image.detach()
        return np.asarray((image.float() if image.is_floating_point() else image).cpu()), True
    if not _is_array(image):
        raise wrong_type(name, image, IMAGES)
    return np.asarray(image), False


def _eight_bits(pixels: NDArray[Any], name: str) -> Image:
    if pixels.size == 0:
        raise UsageError(f"{name} is empty: {pixels.shape} {pixels.dtype}: check its crop or file")
    if pixels.dtype == np.uint8:
        return pixels
    if not np.issubdtype(pixels.dtype, np.floating):
        raise UsageError(
            f"{name} cannot be {pixels.dtype}: {pixels.shape}: give uint8, or floats from 0 to 1"
        )
    low, high = float(pixels.min()), float(pixels.max())
    if not (low >= 0 and high <= 1):
        raise UsageError(
            f"{name} must be from 0 to 1 if it is {pixels.dtype}: found {low:g} to {high:g}: "
            "scale it, or convert it to uint8"
        )
    return np.asarray(np.rint(pixels * 255), np.uint8)


def _channels_last(pixels: Image, name: str, *, first: bool) -> Image:
    """Return (H, W, channels); `first` decides where both ends could be channels."""
    if pixels.ndim == 4:
        if len(pixels) > 1:
            raise UsageError(
                f"{name} is a batch of {len(pixels)}: {pixels.shape}: use Segmenter.predict"
            )
        pixels = pixels[0]
    if pixels.ndim == 2:
        return pixels[..., None]
    if pixels.ndim == 3:
        leading, trailing = pixels.shape[0] in _CHANNELS, pixels.shape[2] in _CHANNELS
        if leading and (first or not trailing):
            return np.moveaxis(pixels, 0, 2)
        if trailing:
            return pixels
    raise UsageError(
        f"{name} must be (H, W, 3), (3, H, W) or (H, W): {pixels.shape}: check its dimensions"
    )


_NOTHING = np.empty(0)
