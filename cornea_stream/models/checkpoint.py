"""Read and write weights: the project's own files, and a PSPNet as other trainers save it.

Nothing in a file is executed. Read are

- `.safetensors` with the spec as JSON in the header, and the project's own `.pth` from training:
  `{"model": state_dict, "spec": {...}, ...}`;
- state dicts of `smp.PSPNet`, plain or nested (see `foreign`): the encoder is inferred from the
  keys; the input is what the caller states, or raw 0–255 RGB at 512×512 as of published weights;
- folders that `save_pretrained` of segmentation-models-pytorch wrote, which name their encoder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from cornea_stream.errors import (
    CheckpointError,
    OutputError,
    UsageError,
    check_path,
    wrong_type,
)
from cornea_stream.models.pspnet import ModelSpec, build_pspnet, is_dead, prune_dead_layers
from cornea_stream.models.read_weights import SPEC_KEY, read_bytes, read_weights, shorten
from cornea_stream.models.shipped import resolve_checkpoint
from cornea_stream.models.stated_input import apply_stated, check_stated, parse_class
from cornea_stream.models.stored_tensors import TensorsField
from cornea_stream.storage import atomic_path, output_errors

if TYPE_CHECKING:  # torch takes seconds to import, and a cached network runs without it
    import torch
    from torch import nn

_EXAMPLES = {"input_size": "256", "input_normalization": "imagenet"}


@dataclass(frozen=True, repr=False)
class Checkpoint:
    """Weights with the spec of their network, free metadata and the hash of the file.

    `notes` say what was left out or chosen. `assumed` names what neither the file nor the caller
    stated of the input, `stated` is what the caller stated.
    """

    state_dict: TensorsField = TensorsField()  # noqa: RUF009 # a dict of tensors by name
    spec: ModelSpec  # type: ignore[misc] # the field before has no default
    metadata: dict[str, Any] = field(default_factory=dict)
    path: Path | None = None
    sha256: str = ""
    notes: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    stated: str | None = None

    @property
    def doubt(self) -> str | None:
        """The likely reason if nothing is found with these weights, in words; None if unknown."""
        if not self.assumed:
            return None
        height, width = self.spec.image_size
        return (
            f"the weights do not say what input they were trained on, and {height}x{width} with "
            f"mean {self.spec.mean[0]:g} and std {self.spec.std[0]:g} may be wrong: give "
            + " and ".join(f"{name}={_EXAMPLES[name]}" for name in self.assumed)
        )

    def build(self) -> nn.Module:
        """Return the pruned `smp.PSPNet` in evaluation mode with these weights.

        Raises CheckpointError if names or shapes do not match the architecture of the spec.
        """
        return self._checked(self._smp_net)

    def build_for_inference(self) -> nn.Module:
        """Return a network with identical output, without importing `smp` if possible.

        Raises CheckpointError like `build`.
        """
        return self._checked(lambda: self._own_net() or self._smp_net())

    def __repr__(self) -> str:
        spec = self.spec
        name = self.path.name if self.path else "not stored"
        return (
            f"Checkpoint({name}, PSPNet-{spec.encoder_name}, input {spec.image_size}, "
            f"{spec.class_name}, SHA-256 {self.sha256[:8]}…)"
        )

    def _own_net(self) -> nn.Module | None:
        from cornea_stream.models.inference_net import build_inference_net

        net = build_inference_net(self.spec)
        if net is not None:
            net.fill(self.state_dict)
        return net

    def _smp_net(self) -> nn.Module:
        from cornea_stream.models.class_head import set_class_head

        net = prune_dead_layers(
            build_pspnet(
                self.spec.encoder_name,
                encoder_depth=self.spec.encoder_depth,
                psp_out_channels=self.spec.psp_out_channels,
            )
        )
        set_class_head(net, self.spec)
        net.load_state_dict(_without_dead_layers(self.state_dict, self.spec))
        return net

    def _checked(self, make: Callable[[], nn.Module]) -> nn.Module:
        try:
            return make().eval()
        except (ValueError, RuntimeError, KeyError, SafetensorError) as err:
            reason = " ".join(str(err).split())
            raise CheckpointError(
                f"weights do not fit PSPNet-{self.spec.encoder_name} "
                f"(depth {self.spec.encoder_depth}): {self.path}: {shorten(reason)}: "
                "pass weights of a one-class PSPNet"
            ) from err


def load_checkpoint(
    path: str | Path | None = None,
    *,
    input_size: int | str | tuple[int, int] | None = None,
    input_normalization: str | None = None,
    class_index: int | str | None = None,
) -> Checkpoint:
    """Read weights without executing code from them: a file, or those of the package by name.

    What weights of other trainers do not say is stated here: the side or (height, width) of the
    input, its normalization (raw, imagenet, or mean/std in 0–255 units), and of several classes
    the one to segment, from 0: 2 by its softmax, "2:sigmoid" by a sigmoid of its own.
    Raises CheckpointError with the file, what was found and what was expected, and UsageError if
    `path` is no path, these values make no sense or the file says them itself.
    """
    if path is not None:
        check_path("checkpoint", path, "the path or the name of weights")
    check_stated(input_size, input_normalization)
    if class_index is not None:
        parse_class(class_index)
    path = resolve_checkpoint(path)
    stored = read_bytes(path)
    found = read_weights(path, stored)
    if found.has_input and (input_size, input_normalization, class_index) != (None, None, None):
        raise UsageError(
            f"the weights say themselves which input they take: {path}: leave out input_size, "
            "input_normalization and class_index"
        )
    checkpoint = Checkpoint(
        found.state_dict, found.spec, found.metadata, path,
        hashlib.sha256(stored).hexdigest(), found.notes,
    )  # fmt: skip
    if found.has_input:
        return checkpoint
    checkpoint = _one_class(checkpoint, class_index)
    given = {"input_size": input_size, "input_normalization": input_normalization}
    stated = {k: v for k, v in {**given, "class_index": class_index}.items() if v is not None}
    return replace(
        checkpoint,
        spec=apply_stated(checkpoint.spec, input_size, input_normalization),
        assumed=tuple(name for name, value in given.items() if value is None),
        stated=", ".join(f"{k}={v}" for k, v in stated.items()) or None,
    )


def _one_class(checkpoint: Checkpoint, stated: int | str | None) -> Checkpoint:
    spec = checkpoint.spec
    if stated is None:
        if spec.classes == 1:
            return checkpoint
        raise CheckpointError(
            f"weights of {spec.classes} classes: {checkpoint.path}: give class_index=0 to "
            f"{spec.classes - 1}, the class to segment"
        )
    index, is_independent = parse_class(stated)
    from cornea_stream.models.class_head import choose_class

    try:
        tensors, classes = choose_class(
            checkpoint.state_dict, spec.classes, index, is_independent=is_independent
        )
    except ValueError as err:
        raise UsageError(f"{err}: {checkpoint.path}: use one of its classes") from err
    notes = checkpoint.notes
    if spec.classes > 1 and not is_independent:
        notes = (
            *notes,
            f"class {index} is segmented by its softmax against the other classes; give "
            f"class_index={index}:sigmoid if they do not exclude each other",
        )
    spec = replace(spec, classes=classes, class_index=0 if classes == 1 else index)
    return replace(checkpoint, state_dict=tensors, spec=spec, notes=notes)


def save_checkpoint(
    path: str | Path,
    state_dict: Mapping[str, torch.Tensor],
    spec: ModelSpec,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write weights without unused stages, atomically; the suffix sets the format.

    Raises OutputError if the file cannot be written, and UsageError for arguments of wrong types.
    """
    check_path("path", path, "a path that ends in .safetensors or .pth")
    if not isinstance(spec, ModelSpec):
        raise wrong_type("spec", spec, "a ModelSpec, such as checkpoint.spec")
    if not isinstance(metadata, Mapping | None):
        raise wrong_type("metadata", metadata, "a dict, or None")
    import torch

    is_tensors = isinstance(state_dict, Mapping) and all(map(torch.is_tensor, state_dict.values()))
    if not is_tensors:
        raise wrong_type("state_dict", state_dict, "tensors by name, such as model.state_dict()")
    from safetensors.torch import save_file

    path = Path(path)
    kept = _without_dead_layers(state_dict, spec)
    tensors = {k: v.detach().cpu().contiguous() for k, v in kept.items()}
    about = {"spec": spec.to_dict(), "metadata": dict(metadata or {})}
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with atomic_path(path) as temporary:
            if path.suffix == ".safetensors":
                save_file(tensors, temporary, metadata={SPEC_KEY: json.dumps(about)})
            else:
                torch.save({"model": tensors, **about}, temporary)
    except (RuntimeError, SafetensorError) as err:
        raise OutputError(
            f"cannot write checkpoint: {path}: {err}: check free space and permissions"
        ) from err


def _without_dead_layers(
    state_dict: Mapping[str, torch.Tensor], spec: ModelSpec
) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in state_dict.items() if not is_dead(name, spec)}
