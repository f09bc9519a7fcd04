"""The network: PSPNet from segmentation-models-pytorch, without the layers it never runs."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from cornea_stream.media.class_name import CLASS_NAME, is_class_name

if TYPE_CHECKING:  # what a checkpoint holds is asked for often, and torch takes seconds to import
    from torch import nn

IMAGENET_MEAN = (123.675, 116.28, 103.53)
"""Mean RGB of ImageNet in 0–255 units (torchvision's 0.485, 0.456, 0.406 times 255)."""
IMAGENET_STD = (58.395, 57.12, 57.375)
"""Standard deviation of ImageNet in 0–255 units (0.229, 0.224, 0.225 times 255)."""
MAX_SIDE, MAX_CHANNELS = 2048, 4096
"""Pixels of a side of the input, and channels of the pyramid: more would eat the memory."""

# The last stage that runs at each depth: layer1 to layer4 of a ResNet, blocks.0 to blocks.6 of an
# EfficientNet of timm.
_LAST_LAYERS = {3: 2, 4: 3, 5: 4}
_LAST_BLOCKS = {3: 2, 4: 4, 5: 6}


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """All that is needed to rebuild a network and to feed it.

    `mean` and `std` are in 0–255 units; the defaults feed raw RGB, as the published weights want.
    `image_size` is (height, width) of the network's input in pixels. `class_name` is the structure
    that it segments, for legends and file names. Of several `classes`, the one of `class_index` is
    segmented.
    """

    encoder_name: str = "resnet101"
    encoder_depth: int = 3
    psp_out_channels: int = 512
    image_size: tuple[int, int] = (512, 512)
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    class_name: str = CLASS_NAME
    classes: int = 1
    class_index: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, numbers and strings, ready for JSON; the name only if it is unusual.

        Files about corneas are thus the same as before there were other structures.
        """
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        if self.class_name == CLASS_NAME:
            del values["class_name"]
        if self.classes == 1:
            del values["classes"], values["class_index"]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ModelSpec:
        """Rebuild a spec from `to_dict`; unknown keys are ignored.

        Raises ValueError when a value is of the wrong kind or makes no sense.
        """
        known: dict[str, Any] = {}
        for field in fields(cls):
            if field.name not in values:
                continue
            value, default = values[field.name], getattr(cls(), field.name)
            if isinstance(default, tuple):
                if not isinstance(value, (list, tuple)) or len(value) != len(default):
                    raise ValueError(
                        f"{field.name} must hold {len(default)} numbers, got {value!r}"
                    )
                known[field.name] = tuple(type(default[0])(v) for v in value)
            elif not isinstance(value, type(default)):
                raise ValueError(f"{field.name} must be {type(default).__name__}, got {value!r}")
            else:
                known[field.name] = value
        spec = cls(**known)
        spec._check()
        return spec

    def _check(self) -> None:
        """Raise ValueError for numbers of which no network can be made that fits into memory."""
        if not 3 <= self.encoder_depth <= 5:
            raise ValueError(f"encoder_depth must be 3, 4 or 5, got {self.encoder_depth}")
        stride = 2**self.encoder_depth
        if any(side % stride or not 0 < side <= MAX_SIDE for side in self.image_size):
            raise ValueError(
                f"image_size must be multiples of {stride} up to {MAX_SIDE}, got {self.image_size}"
            )
        if not 0 < self.psp_out_channels <= MAX_CHANNELS:
            raise ValueError(
                f"psp_out_channels must lie between 1 and {MAX_CHANNELS}, got "
                f"{self.psp_out_channels}"
            )
        if not 0 <= self.class_index < self.classes <= MAX_CHANNELS:
            raise ValueError(f"class_index must be 0 to {self.classes - 1}, got {self.class_index}")
        if not all(map(math.isfinite, (*self.mean, *self.std))) or min(self.std) <= 0:
            raise ValueError(f"mean and std must be finite, std above 0, got {self.std}")
        if not is_class_name(self.class_name):
            raise ValueError(f"class_name must be usable as a file name, got {self.class_name!r}")


def build_pspnet(
    encoder_name: str = "resnet101",
    *,
    encoder_depth: int = 3,
    encoder_weights: str | None = None,
    psp_out_channels: int = 512,
) -> nn.Module:
    """Build `smp.PSPNet` with one class, whose output has the size of its input.

    Input (N, 3, H, W) float, H and W divisible by 2**encoder_depth; output (N, 1, H, W) logits.
    Raises ValueError for an encoder that the library does not know or cannot cut at this depth.
    """
    import segmentation_models_pytorch as smp

    try:
        model: nn.Module = smp.PSPNet(
            encoder_name,
            encoder_weights=encoder_weights,
            encoder_depth=encoder_depth,
            psp_out_channels=psp_out_channels,
            in_channels=3,
            classes=1,
            upsampling=2**encoder_depth,
        )
    except KeyError as err:
        raise ValueError(str(err.args[0])) from err
    return model


def is_dead(name: str, spec: ModelSpec) -> bool:
    """Whether a tensor of a PSPNet's state dict belongs to a stage beyond the encoder's depth."""
    if "efficientnet" in spec.encoder_name:
        stage, last = re.match(r"encoder\.model\.blocks\.(\d+)\.", name), _LAST_BLOCKS
    else:
        stage, last = re.match(r"encoder\.layer(\d+)\.", name), _LAST_LAYERS
    return stage is not None and int(stage[1]) > last[spec.encoder_depth]


def prune_dead_layers(model: nn.Module) -> nn.Module:
    """Delete the encoder stages that lie beyond its depth; the output stays bit-identical.

    A ResNet encoder of depth 3 runs the stem, `layer1` and `layer2` only: of the 43.3 million
    parameters of PSPNet-ResNet101 41.1 million are never touched. timm's EfficientNets run theirs
    and throw the result away. Works in place; encoders of other families are returned as they are.
    """
    encoder: Any = model.encoder
    for depth, name in ((5, "layer4"), (4, "layer3")):
        if encoder._depth < depth and hasattr(encoder, name):
            delattr(encoder, name)
    stages = getattr(getattr(encoder, "model", None), "_stage_out_idx", None)
    if stages and hasattr(encoder.model, "blocks"):
        del encoder.model.blocks[max(stages) :]
    return model
