"""Which network a plain state dict belongs to, by the names and shapes in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from cornea_stream.models.pspnet import ModelSpec

# Residual blocks in the four stages (He et al. 2015, table 1); the first name wins when pruned
# weights fit several.
BOTTLENECK_RESNETS = {
    "resnet101": (3, 4, 23, 3), "resnet50": (3, 4, 6, 3), "resnet152": (3, 8, 36, 3),
}  # fmt: skip
"""ResNets whose blocks are of three convolutions."""
BASIC_RESNETS = {"resnet34": (3, 4, 6, 3), "resnet18": (2, 2, 2, 2)}
"""ResNets whose blocks are of two convolutions."""


class _Shaped(Protocol):
    @property
    def shape(self) -> Sequence[int]: ...


def infer_spec(state_dict: Mapping[str, _Shaped]) -> ModelSpec:
    """Infer the spec of a plain `smp.PSPNet(..., classes=1)` state dict with a ResNet encoder.

    The block counts of the four stages name the encoder; weights whose `layer3` and `layer4` were
    pruned fit ResNet-50 and ResNet-101 alike (the same network up to `layer2`). The depth is where
    the pyramid's input channels say it is. Raises ValueError when the keys are not such a PSPNet.
    """
    try:
        stem = state_dict["encoder.conv1.weight"].shape
        head = state_dict["segmentation_head.0.weight"].shape
        pyramid = state_dict["decoder.psp.blocks.0.pool.1.0.weight"].shape[1]
    except KeyError as err:
        raise ValueError(
            f"found {len(state_dict)} tensors ({first_keys(state_dict)}) without {err}"
        ) from err
    if stem[1] != 3 or head[0] != 1:
        raise ValueError(
            f"found {stem[1]} input channels and {head[0]} classes, expected 3 input channels "
            "and 1 class"
        )
    expansion = 4 if "encoder.layer1.0.conv3.weight" in state_dict else 1
    blocks = tuple(_count_blocks(state_dict, stage) for stage in range(1, 5))
    depth = {64 * expansion * 2**k: k + 2 for k in range(4)}.get(pyramid)
    names = {4: BOTTLENECK_RESNETS, 1: BASIC_RESNETS}[expansion]
    fitting = [n for n, b in names.items() if _blocks_fit(blocks, b, depth or 0)]
    if depth is None or depth < 3 or not fitting:
        raise ValueError(
            f"found residual blocks {blocks} and {pyramid} pyramid channels, "
            "expected a ResNet encoder"
        )
    return ModelSpec(encoder_name=fitting[0], encoder_depth=depth, psp_out_channels=int(head[1]))


def _blocks_fit(found: tuple[int, ...], expected: tuple[int, ...], depth: int) -> bool:
    run = depth - 1
    return found[:run] == expected[:run] and all(
        f in (0, e) for f, e in zip(found[run:], expected[run:], strict=True)
    )


def _count_blocks(state_dict: Mapping[str, Any], stage: int) -> int:
    pattern = re.compile(rf"encoder\.layer{stage}\.(\d+)\.")
    return len({m.group(1) for m in map(pattern.match, state_dict) if m})


def first_keys(state_dict: Mapping[str, Any]) -> str:
    """Return the first names of a state dict in words, to tell what it is."""
    names = [str(k) for k in list(state_dict)[:3]]
    return ", ".join(names) + (", …" if len(state_dict) > 3 else "")
