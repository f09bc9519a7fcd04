"""High dynamic range (PQ, HLG) to BT.709 with gamma 2.4, for the network, PNGs and overlays."""

from __future__ import annotations

from functools import cache

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from cornea_stream.media.planes import view

PQ, HLG = 16, 18
"""FFmpeg's numbers of the transfer functions (ITU-T H.273)."""
NAMES = {PQ: "PQ", HLG: "HLG"}
BT709 = 1
_UNSPECIFIED, _BT2020 = 2, 9
_WHITE_NITS = 203.0
"""Luminance of diffuse white in HDR pictures (ITU-R BT.2408)."""
_HLG_PEAK_NITS, _HLG_SYSTEM_GAMMA = 1000.0, 1.2  # ITU-R BT.2100
_GAMMA = 2.4  # ITU-R BT.1886
_KNEE = 0.75
"""Light above this share of white is compressed, so that highlights keep some detail."""
_LUMA_2020 = np.array([[0.2627, 0.6780, 0.0593]], np.float32)
_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    np.float32,
)
"""BT.2020 to BT.709 in linear light (ITU-R BT.2087)."""


def tone_mapping(name: str) -> str:
    """Return the sentence about a source whose transfer function has this name."""
    return f"HDR ({name}) is tone-mapped to BT.709: outputs are SDR"


def in_standard_range(video: av.VideoFrame) -> av.VideoFrame:
    """Return a frame of PQ or HLG as 8-bit 4:2:0 BT.709, with its times and side data.

    It is the same frame if that is already 8-bit 4:2:0, with pixels of its own.
    """
    mapped = rgb_in_standard_range(video)
    source = av.VideoFrame.from_ndarray(mapped, format="rgb24").reformat(
        format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
    )
    target = video.reformat(format="yuv420p")  # which copies what is not pixels
    target.make_writable()  # the decoder may predict later frames from these pixels
    for old, new in zip(target.planes, source.planes, strict=True):
        view(old)[:] = view(new)
    target.colorspace, target.color_range = Colorspace.ITU709, ColorRange.MPEG
    target.color_primaries = target.color_trc = BT709
    target.pts, target.time_base = video.pts, video.time_base
    return target


def rgb_in_standard_range(video: av.VideoFrame) -> NDArray[np.uint8]:
    """Return a frame of PQ or HLG as (H, W, 3) BT.709 RGB; its color tags are removed."""
    transfer, primaries = int(video.color_trc), int(video.color_primaries)
    video.color_trc = video.color_primaries = _UNSPECIFIED  # FFmpeg need not interpret them
    rgb = np.asarray(video.to_ndarray(format="rgb24"), np.uint8)
    return tone_mapped(rgb, transfer, primaries)


def tone_mapped(rgb: NDArray[np.uint8], transfer: int, primaries: int) -> NDArray[np.uint8]:
    """Return (H, W, 3) RGB of PQ or HLG as BT.709 RGB."""
    light = cv2.LUT(rgb, _light(transfer))
    if transfer == HLG:
        luma = cv2.transform(light, _LUMA_2020)
        light = _HLG_PEAK_NITS / _WHITE_NITS * light * luma[..., None] ** (_HLG_SYSTEM_GAMMA - 1)
    if primaries == _BT2020:
        light = cv2.transform(light, _TO_BT709)
    light = np.maximum(light, 0)
    bright = light > _KNEE
    light[bright] = 1 - (1 - _KNEE) * np.exp((_KNEE - light[bright]) / (1 - _KNEE))
    return np.asarray(cv2.convertScaleAbs(cv2.pow(light, 1 / _GAMMA), alpha=255), np.uint8)


@cache
def _light(transfer: int) -> NDArray[np.float32]:
    """Return the light of every 8-bit value: of PQ 1 for white, of HLG 1 for the scene's peak."""
    signal = np.linspace(0, 1, 256)
    if transfer == PQ:
        power = signal ** (1 / 78.84375)
        share = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
        light = 10000 / _WHITE_NITS * share ** (1 / 0.1593017578125)
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return light.astype(np.float32)
