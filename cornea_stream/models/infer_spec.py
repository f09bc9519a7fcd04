"""Which network a plain state dict belongs to, by the names and shapes in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
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
    """Infer the spec of a plain `smp.PSPNet` state dict with a ResNet or EfficientNet-Lite encoder.

    The block counts of the four stages name a ResNet; weights whose `layer3` and `layer4` were
    pruned fit ResNet-50 and ResNet-101 alike (the same network up to `layer2`). The depth is where
    the pyramid's input channels say it is. Raises ValueError when the keys are not such a PSPNet.
    """
    try:
        head = state_dict["segmentation_head.0.weight"].shape
        pyramid = state_dict["decoder.psp.blocks.0.pool.1.0.weight"].shape[1]
    except KeyError as err:
        raise ValueError(
            f"found {len(state_dict)} tensors ({first_keys(state_dict)}) without {err}"
        ) from err
    if "encoder.conv1.weight" in state_dict:
        stem, encoder = "encoder.conv1.weight", _resnet(state_dict, pyramid)
    elif "encoder.model.conv_stem.weight" in state_dict:
        stem, encoder = "encoder.model.conv_stem.weight", _lite(state_dict, pyramid)
    else:
        raise ValueError(
            f"found an encoder that is neither a ResNet nor an EfficientNet-Lite "
            f"({first_keys(state_dict)}); a folder of save_pretrained names its encoder"
        )
    if state_dict[stem].shape[1] != 3:
        raise ValueError(f"found {state_dict[stem].shape[1]} input channels, expected 3")
    name, depth = encoder
    return ModelSpec(name, depth, int(head[1]), classes=int(head[0]))


def _resnet(state_dict: Mapping[str, _Shaped], pyramid: int) -> tuple[str, int]:
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
    return fitting[0], depth


def _lite(state_dict: Mapping[str, _Shaped], pyramid: int) -> tuple[str, int]:
    from cornea_stream.models.efficientnet_lite import SCALES, efficientnet_lite

    for name in SCALES:
        for depth in (3, 4, 5):
            encoder = efficientnet_lite(name, depth)
            assert encoder is not None
            dead = tuple(f"encoder.{stage}." for stage in encoder.dead)
            run = (k for k in state_dict if k.startswith("encoder.") and not k.startswith(dead))
            expected = {f"encoder.{k}": v for k, v in encoder.state_dict().items()}
            if encoder.out_channels == pyramid and _shapes(state_dict, run) == _shapes(
                expected, expected
            ):
                return name, depth
    raise ValueError(
        "found an encoder of timm that is no EfficientNet-Lite; a folder of save_pretrained names "
        "its encoder"
    )


def _shapes(tensors: Mapping[str, _Shaped], names: Iterable[str]) -> dict[str, tuple[int, ...]]:
    counters = "num_batches_tracked"  # missing in old files
    return {name: tuple(tensors[name].shape) for name in names if not name.endswith(counters)}


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
