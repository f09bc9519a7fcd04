"""Read and write weights: plain state dicts, the project's own `.pth`, and `.safetensors`.

Three kinds of files are read, without executing code from them:

- a plain `state_dict` of `smp.PSPNet` (`.pth`), such as the published PSPNet-ResNet101
  weights: the encoder is inferred from the keys, and the input is raw 0–255 RGB;
- the project's own `.pth` from training: `{"model": state_dict, "spec": {...}, ...}`;
- `.safetensors` with the spec as JSON in the header.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeAlias

from safetensors import SafetensorError, safe_open

from cornea_stream.errors import CheckpointError, OutputError
from cornea_stream.models.infer_spec import first_keys, infer_spec
from cornea_stream.models.pspnet import ModelSpec, build_pspnet, is_dead, prune_dead_layers
from cornea_stream.models.shipped import resolve_checkpoint, shipped_weights
from cornea_stream.models.stored_tensors import Tensors, TensorsField, load_safetensors
from cornea_stream.storage import atomic_path, output_errors

if TYPE_CHECKING:  # torch takes seconds to import, and a cached network runs without it
    import torch
    from torch import nn

SPEC_KEY = "cornea_stream"
# Errors of torch.load on modified files, found by tests/fuzz.
_DAMAGE = (
    RuntimeError, OSError, EOFError, ValueError, TypeError, LookupError, AttributeError,
)  # fmt: skip


@dataclass(frozen=True)
class Checkpoint:
    """Weights with the spec of their network, free metadata and the hash of the file."""

    state_dict: TensorsField = TensorsField()  # noqa: RUF009 # a dict of tensors by name
    spec: ModelSpec  # type: ignore[misc] # the field before has no default
    metadata: dict[str, Any] = field(default_factory=dict)
    path: Path | None = None
    sha256: str = ""

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

    def _own_net(self) -> nn.Module | None:
        from cornea_stream.models.inference_net import build_inference_net

        net = build_inference_net(self.spec)
        if net is not None:
            net.fill(self.state_dict)
        return net

    def _smp_net(self) -> nn.Module:
        net = prune_dead_layers(
            build_pspnet(
                self.spec.encoder_name,
                encoder_depth=self.spec.encoder_depth,
                psp_out_channels=self.spec.psp_out_channels,
            )
        )
        net.load_state_dict(_without_dead_layers(self.state_dict, self.spec))
        return net

    def _checked(self, make: Callable[[], nn.Module]) -> nn.Module:
        try:
            return make().eval()
        except (ValueError, RuntimeError, KeyError, SafetensorError) as err:
            reason = " ".join(str(err).split())
            raise CheckpointError(
                f"weights do not fit PSPNet-{self.spec.encoder_name} "
                f"(depth {self.spec.encoder_depth}): {self.path}: {_shorten(reason)}: "
                "pass weights of a one-class PSPNet"
            ) from err


def load_checkpoint(path: str | Path | None = None) -> Checkpoint:
    """Read weights without executing code from them: a file, or those of the package by name.

    Raises CheckpointError with the file, what was found and what was expected.
    """
    path = resolve_checkpoint(path)
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "not found"
        names = ", ".join(shipped_weights())
        raise CheckpointError(
            f"checkpoint {what}: {path}: pass a .pth or .safetensors file, or one of {names}"
        )
    try:
        stored = path.read_bytes()
        read = _read_safetensors if path.suffix == ".safetensors" else _read_pth
        state_dict, spec, metadata = read(path, stored)
    except OSError as err:
        raise CheckpointError(
            f"cannot read checkpoint: {path}: {err.strerror or err}: check its permissions"
        ) from err
    return Checkpoint(state_dict, spec, metadata, path, hashlib.sha256(stored).hexdigest())


def save_checkpoint(
    path: str | Path,
    state_dict: Mapping[str, torch.Tensor],
    spec: ModelSpec,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write weights without unused stages, atomically; the suffix sets the format.

    Raises OutputError if the file cannot be written.
    """
    import torch
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


_Content: TypeAlias = "tuple[Tensors | Callable[[], Tensors], ModelSpec, dict[str, Any]]"


def _read_safetensors(path: Path, stored: bytes) -> _Content:
    try:
        with safe_open(path, framework="np") as file:  # its header; the tensors are for torch
            header = (file.metadata() or {}).get(SPEC_KEY)
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
        tensors = partial(load_safetensors, stored)
        if header is None:
            found = {name: SimpleNamespace(shape=shape) for name, shape in shapes.items()}
            return tensors, infer_spec(found), {}
        described = json.loads(header)
        return tensors, ModelSpec.from_dict(described["spec"]), described.get("metadata", {})
    except SafetensorError as err:
        raise CheckpointError(
            f"damaged or truncated safetensors file: {path}: {err}: get the file again"
        ) from err
    except (ValueError, KeyError, TypeError, OverflowError) as err:
        raise CheckpointError(
            f"not PSPNet weights: {path}: {_shorten(str(err))}: expected a one-class PSPNet"
        ) from err


def _read_pth(path: Path, stored: bytes) -> _Content:
    import torch

    _refuse_packed(path)
    try:
        content: Any = torch.load(io.BytesIO(stored), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as err:
        raise CheckpointError(
            f"refused checkpoint: {path}: not a tensor-only checkpoint (pickled code is never "
            "executed): expected a state dict saved with torch.save, or .safetensors"
        ) from err
    except _DAMAGE as err:
        raise CheckpointError(
            f"damaged or truncated checkpoint: {path} ({len(stored)} bytes): "
            "expected a .pth file saved with torch.save: get the file again"
        ) from err
    try:
        return _interpret_pth(content)
    except (ValueError, TypeError, OverflowError) as err:
        raise CheckpointError(
            f"not PSPNet weights: {path}: {_shorten(str(err))}: expected a state dict of "
            'smp.PSPNet("resnet101", classes=1) or a checkpoint from cornea-stream train'
        ) from err


def _refuse_packed(path: Path) -> None:
    """Refuse a zip bomb: torch stores tensors uncompressed, so contents cannot exceed the file."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as entries:
            unpacked = sum(entry.file_size for entry in entries.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return  # damaged: torch says so
    if unpacked > path.stat().st_size:
        raise CheckpointError(
            f"refused checkpoint: {path}: it decompresses to more than its own size: expected a "
            "file as torch.save writes it"
        )


def _interpret_pth(content: Any) -> _Content:
    if not isinstance(content, Mapping):
        raise ValueError(f"found {type(content).__name__}, no state dict")
    import torch

    own = isinstance(content.get("model"), Mapping) and "spec" in content
    state_dict = dict(content["model"] if own else content)
    if not state_dict or not all(isinstance(v, torch.Tensor) for v in state_dict.values()):
        raise ValueError(f"found keys {first_keys(state_dict)}, not all of them tensors")
    if not own:
        return state_dict, infer_spec(state_dict), {}
    return state_dict, ModelSpec.from_dict(content["spec"]), dict(content.get("metadata", {}))


def _shorten(text: str, limit: int = 300) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
