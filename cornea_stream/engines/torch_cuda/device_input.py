"""Native planes -> network input, on the device: the bytes that `preprocess.model_input` makes.

The arithmetic is that of FFmpeg's scaler and of `cv2.resize` on x86, integer for integer, so the
network sees the same picture whichever way it came. Chroma is taken from the nearest sample, as
FFmpeg does for even sizes. Only the pixels that the resize looks at are converted: at most four for
every pixel of the result, and 1.5 bytes a pixel are all that was uploaded.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch

from cornea_stream.media.color import yuv_to_rgb
from cornea_stream.media.planes import Layout

_COLOR_BITS = 13
"""FFmpeg keeps the factors of the color matrix in so many bits behind the point."""
_WEIGHT_BITS = 11
"""So does `cv2.resize` with its weights."""


def device_input(pixels: torch.Tensor, layout: Layout, image_size: tuple[int, int]) -> torch.Tensor:
    """Return the upright (n, h, w, 3) uint8 RGB inputs, `image_size`, of frames of one layout.

    `pixels`: (n, bytes) uint8 on any device, the planes of each frame one behind the other.
    """
    orientation = layout.orientation
    height, width = image_size[::-1] if orientation.sideways else image_size
    rows = _taps(layout.height, height, pixels.device)
    columns = _taps(layout.width, width, pixels.device)
    channels = [_resized(channel, rows, columns) for channel in _rgb(pixels, layout, rows, columns)]
    images = torch.stack(channels, dim=-1)
    turned = torch.rot90(images, orientation.rotation // 90, dims=(1, 2))
    return (turned.flip(2) if orientation.mirrored else turned).contiguous()


class _Taps(NamedTuple):
    """The two neighbors that each of n pixels along a resized axis is made of.

    `places` holds all first neighbors, then all second ones: (2 n,). `weights`: (2, n) int32.
    """

    places: torch.Tensor
    weights: torch.Tensor


@lru_cache(maxsize=32)
def _taps(given: int, wanted: int, device: torch.device) -> _Taps:
    """Return where `cv2.resize` (INTER_LINEAR) looks to bring `given` pixels to `wanted`."""
    position = (np.arange(wanted) + 0.5) * (given / wanted) - 0.5
    first = np.floor(position)
    share = (position - first).astype(np.float32)
    places = np.clip(np.concatenate([first, first + 1]), 0, given - 1).astype(np.int64)
    weights = np.rint(np.stack([1 - share, share]) * (1 << _WEIGHT_BITS)).astype(np.int32)
    return _Taps(torch.from_numpy(places).to(device), torch.from_numpy(weights).to(device))


def _rgb(
    pixels: torch.Tensor, layout: Layout, rows: _Taps, columns: _Taps
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return red, green and blue, 0 to 255 in int32, at the rows and columns asked for."""
    count, height, width = len(pixels), layout.height, layout.width
    luma = pixels[:, : height * width].view(count, height, width)
    chroma = pixels[:, height * width :]
    if layout.interleaved:
        cb, cr = chroma.view(count, height // 2, width // 2, 2).unbind(dim=-1)
    else:
        cb, cr = chroma.view(count, 2, height // 2, width // 2).unbind(dim=1)
    factors = yuv_to_rgb(layout.colorspace, full_range=layout.full_range)
    y = _times(_at(luma, rows.places, columns.places) - factors.black, factors.luma)
    u = _at(cb, rows.places // 2, columns.places // 2) - 128
    v = _at(cr, rows.places // 2, columns.places // 2) - 128
    red = y + _times(v, factors.red_cr)
    green = y + _times(u, factors.green_cb) + _times(v, factors.green_cr)
    blue = y + _times(u, factors.blue_cb)
    return red.clamp_(0, 255), green.clamp_(0, 255), blue.clamp_(0, 255)


def _at(plane: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    return plane.index_select(1, rows).index_select(2, columns).int()


def _times(values: torch.Tensor, factor: float) -> torch.Tensor:
    """Multiply, rounding down, as FFmpeg does with every product by itself."""
    return (values * round(factor * (1 << _COLOR_BITS))) >> _COLOR_BITS


def _resized(channel: torch.Tensor, rows: _Taps, columns: _Taps) -> torch.Tensor:
    """Return (n, h, w) uint8 of a channel at its (n, 2 h, 2 w) neighbors."""
    left, right = channel.chunk(2, dim=2)
    across = (left * columns.weights[0] + right * columns.weights[1]) >> 4
    top, bottom = across.chunk(2, dim=1)
    upper, lower = rows.weights[0][:, None], rows.weights[1][:, None]
    return ((((top * upper) >> 16) + ((bottom * lower) >> 16) + 2) >> 2).to(torch.uint8)
