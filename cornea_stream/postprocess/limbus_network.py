"""A small network that reads where the limbus is from the image around an outline.

Its input are the colors around the outline, unrolled; its output is the probability of each place
to be within the cornea. Each direction sees its neighbors, so that what covers a part of the limbus
is seen as such. `cornea_train.recipes.limbus` trains it. NumPy is enough to run it, so every engine
has the same.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from cornea_stream.errors import CheckpointError
from cornea_stream.media.frame import Image
from cornea_stream.postprocess.unroll import Floats, unrolled

Values = NDArray[np.float32]

_FILE = "limbus.safetensors"

DIRECTIONS = 60
STEP = 0.015
OFFSETS = np.arange(-16, 17) * STEP
"""Distances from the outline that are looked at, in radii."""
DILATIONS = (1, 1, 2, 4, 8)
"""How many directions lie between a direction and the neighbors it sees, layer by layer."""
_NEIGHBORS = [
    (np.arange(DIRECTIONS)[:, None] + [-apart, 0, apart]) % DIRECTIONS for apart in DILATIONS
]
_FAINT = 8.0
"""Contrast, of 255, below which an image is not stretched."""
_SHARP, _VAGUE = 0.05, 0.15
"""Widths of the transition from cornea to sclera, in radii, that are sure and that say nothing."""
_SEEN_BEYOND = 3
"""Steps beyond the limbus that must be in view."""
_ROWS = 4
"""Rows of a matrix product at a time: more would wake the threads of OpenBLAS for a small job."""


class LimbusNetwork:
    """Convolutions around the circle, of three directions each.

    Its file holds `layers.N.weight` (out, in, 3), `layers.N.bias`, `last.weight`, `last.bias`.
    """

    def __init__(self, path: Path) -> None:
        state = {key: value.astype(np.float32) for key, value in load_file(path).items()}
        self._layers = [
            (_matrix(state[f"layers.{n}.weight"]), state[f"layers.{n}.bias"])
            for n in range(len(DILATIONS))
        ]
        self._last = _matrix(state["last.weight"]), state["last.bias"]

    def __call__(self, strip: Values) -> Values:
        """Return the (60, 33) probability of being within the cornea, for a `network_input`."""
        rows = strip
        for (kernel, bias), neighbors in zip(self._layers, _NEIGHBORS, strict=True):
            around = rows[neighbors].reshape(len(rows), -1)
            new = np.maximum(_product(around, kernel) + bias, 0)
            rows = rows + new if rows.shape == new.shape else new
        kernel, bias = self._last
        return np.asarray(0.5 + 0.5 * np.tanh(0.5 * (_product(rows, kernel) + bias)), np.float32)


def _matrix(weight: Values) -> Values:
    """Return (neighbors * in, out) of (out, in, neighbors)."""
    return np.ascontiguousarray(weight.transpose(2, 1, 0).reshape(-1, len(weight)))


def _product(rows: Values, kernel: Values) -> Values:
    parts = rows.reshape(-1, _ROWS, rows.shape[1]) @ kernel
    return np.asarray(parts.reshape(len(rows), -1))


def read_limbus(
    image: Image, center: Floats, directions: Floats, radii: Floats
) -> tuple[Floats, Floats]:
    """Return (60,) distances of the limbus from an outline, in radii, and how sure they are.

    `image` is (h, w, 3) uint8 RGB, `center` (x, y) in its pixels, `directions` (60, 2) unit vectors
    evenly around and `radii` (60,) the outline's distances. Sure is 0 to 1; it is 0 where the
    limbus is not in view.
    """
    colors, inside = around_outline(image, center, directions, radii)
    probability = packaged()(network_input(colors, inside))
    offset = OFFSETS[0] - STEP / 2 + STEP * probability.sum(axis=1)
    width = STEP * (1 - np.abs(2 * probability - 1)).sum(axis=1)
    sure = np.clip((_VAGUE - width) / (_VAGUE - _SHARP), 0, 1)
    beyond = np.rint((offset - OFFSETS[0]) / STEP).astype(int) + _SEEN_BEYOND
    in_view = inside[np.arange(len(inside)), np.clip(beyond, 0, len(OFFSETS) - 1)]
    return offset, sure * in_view


def around_outline(
    image: Image, center: Floats, directions: Floats, radii: Floats
) -> tuple[Values, NDArray[np.bool_]]:
    """Return (N, 33, 3) colors at `OFFSETS` from an outline, and (N, 33) which lie in the image.

    See `read_limbus`.
    """
    return unrolled(image, center, directions, np.multiply.outer(radii, 1 + OFFSETS))


def network_input(colors: Values, inside: NDArray[np.bool_]) -> Values:
    """Return (N, 132) float32 of (N, 33, 3) colors and (N, 33) places in view.

    Colors are taken relative to their mean and contrast where they are in view; the fourth value
    says whether a place is.
    """
    values = np.empty((*inside.shape, 4), np.float32)
    seen, count = inside[..., None], max(int(inside.sum()), 1)
    shown = (colors - (colors * seen).sum(axis=(0, 1)) / count) * seen
    values[..., :3] = shown / (np.sqrt((shown * shown).sum() / (3 * count)) + _FAINT)
    values[..., 3] = inside
    return values.reshape(len(colors), -1)


@cache
def packaged() -> LimbusNetwork:
    """Return the network that comes with the package.

    Raises CheckpointError when the installation lacks it.
    """
    path = Path(__file__).with_name(_FILE)
    if not path.exists():
        raise CheckpointError(
            f"the weights that read the limbus are missing from this installation: {_FILE}: "
            "reinstall cornea-stream"
        )
    return LimbusNetwork(path)
