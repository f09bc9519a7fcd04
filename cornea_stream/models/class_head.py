"""The last convolution of a network with several classes, of which one is segmented."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from cornea_stream.models.pspnet import ModelSpec

_HEAD = ("segmentation_head.0.weight", "segmentation_head.0.bias")


class OneOfClasses(nn.Conv2d):
    """A convolution with one output per class, and what speaks for one class against all others.

    Output (N, 1, H, W): logits whose sigmoid is the softmax of class `index`.
    """

    def __init__(self, in_channels: int, classes: int, index: int) -> None:
        super().__init__(in_channels, classes, 3, padding=1)
        self.index = index

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
        """Return the logits of the class."""
        scores = super().forward(input)
        others = torch.cat([scores[:, : self.index], scores[:, self.index + 1 :]], dim=1)
        chosen = scores[:, self.index : self.index + 1]
        return chosen - torch.logsumexp(others, dim=1, keepdim=True)


def set_class_head(network: Any, spec: ModelSpec) -> None:
    """Give `network` the last convolution of `spec`, in place, if it has several classes."""
    if spec.classes > 1:
        head = OneOfClasses(spec.psp_out_channels, spec.classes, spec.class_index)
        network.segmentation_head[0] = head


def choose_class(
    state_dict: dict[str, torch.Tensor], classes: int, index: int, *, is_independent: bool
) -> tuple[dict[str, torch.Tensor], int]:
    """Return the weights and the number of classes left in them.

    A class that `is_independent` of the others has a sigmoid of its own and needs them no more. Of
    two classes with a softmax, the difference says the same as both, so one is left. Raises
    ValueError if there is no such class.
    """
    if not 0 <= index < classes:
        raise ValueError(f"class_index must be 0 to {classes - 1}, got {index}")
    head = {name: state_dict[name] for name in _HEAD}
    if is_independent:
        left = {name: tensor[index : index + 1] for name, tensor in head.items()}
    elif classes == 2:
        left = {
            name: tensor[index : index + 1] - tensor[1 - index : 2 - index]
            for name, tensor in head.items()
        }
    else:
        return state_dict, classes
    return {**state_dict, **left}, 1
