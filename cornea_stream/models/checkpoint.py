"""Read and write weights: plain state dicts, the project's own `.pth`, and `.safetensors`.

Three kinds of file are read, always without running code from them:

- a plain `state_dict` of `smp.PSPNet` (`.pth`), as the published PSPNet-ResNet101 weights: the
  encoder is inferred from the keys, the input is raw 0–255 RGB;
- the project's own `.pth` from training: `{"model": state_dict, "spec": {...}, ...}`;
- `.safetensors` with the spec as JSON in the header.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from cornea_stream.errors import CheckpointError, OutputError
from cornea_stream.models.pspnet import ModelSpec, build_pspnet, prune_dead_layers

SPEC_KEY = "cornea_stream"
# What torch.load raises on files with bytes changed, found by tests/fuzz.
_DAMAGE = (
    RuntimeError, OSError, EOFError, ValueError, TypeError, LookupError, AttributeError,
)  # fmt: skip
_DEAD_STAGES = {4: "encoder.layer3.", 5: "encoder.layer4."}


@dataclass(frozen=True)
class Checkpoint:
    """Weights with what they mean: the spec of the network, free metadata and the file's hash."""

    state_dict: dict[str, torch.Tensor]
    spec: ModelSpec
    metadata: dict[str, Any] = field(default_factory=dict)
    path: Path | None = None
    sha256: str = ""

    def build(self) -> nn.Module:
        """Return the pruned `smp.PSPNet` in evaluation mode with these weights.

        Raises CheckpointError when names or shapes do not fit the architecture of the spec.
        """
        try:
            model = prune_dead_layers(
                build_pspnet(
                    self.spec.encoder_name,
                    encoder_depth=self.spec.encoder_depth,
                    psp_out_channels=self.spec.psp_out_channels,
                )
            )
            model.load_state_dict(_without_dead_stages(self.state_dict, self.spec.encoder_depth))
        except (ValueError, RuntimeError) as err:
            reason = " ".join(str(err).split())
            raise CheckpointError(
                f"weights do not fit PSPNet-{self.spec.encoder_name} "
                f"(depth {self.spec.encoder_depth}): {self.path}: {_shorten(reason)}: "
                "pass weights of a one-class PSPNet"
            ) from err
        return model.eval()


def default_checkpoint_path() -> Path:
    """Return the path of the weights that come with the package.

    Raises CheckpointError when the installation lacks them.
    """
    package = Path(__file__).parents[1]
    # A wheel holds them inside the package, a checkout (editable install) beside it.
    for folder in (package / "model_weights", package.parent / "model_weights"):
        path = folder / "cornea_default.safetensors"
        if path.is_file():
            return path
    raise CheckpointError(
        "the default weights are missing from this installation: cornea_default.safetensors: "
        "reinstall cornea-stream or pass --checkpoint"
    )


def load_checkpoint(path: str | Path | None = None) -> Checkpoint:
    """Read the weights at `path` (default: those of the package) without running code from it.

    Raises CheckpointError, naming the file, what was found and what was expected.
    """
    path = default_checkpoint_path() if path is None else Path(path)
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "not found"
        raise CheckpointError(f"checkpoint {what}: {path}: pass a .pth or .safetensors file")
    try:
        state_dict, spec, metadata = (
            _read_safetensors(path) if path.suffix == ".safetensors" else _read_pth(path)
        )
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as err:
        raise CheckpointError(
            f"cannot read checkpoint: {path}: {err.strerror or err}: check its permissions"
        ) from err
    return Checkpoint(state_dict, spec, metadata, path, digest)


def save_checkpoint(
    path: str | Path,
    state_dict: Mapping[str, torch.Tensor],
    spec: ModelSpec,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write weights without dead stages, atomically; the suffix (.safetensors, .pth) is the format.

    Raises OutputError when the file cannot be written.
    """
    path = Path(path)
    kept = _without_dead_stages(state_dict, spec.encoder_depth)
    tensors = {k: v.detach().cpu().contiguous() for k, v in kept.items()}
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".safetensors":
            header = json.dumps({"spec": spec.to_dict(), "metadata": dict(metadata or {})})
            save_file(tensors, temporary, metadata={SPEC_KEY: header})
        else:
            content = {"model": tensors, "spec": spec.to_dict(), "metadata": dict(metadata or {})}
            torch.save(content, temporary)
        temporary.replace(path)
    except (OSError, RuntimeError, SafetensorError) as err:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise OutputError(
            f"cannot write checkpoint: {path}: {err}: check free space and permissions"
        ) from err


def infer_spec(state_dict: Mapping[str, torch.Tensor]) -> ModelSpec:
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
            f"found {len(state_dict)} tensors ({_first_keys(state_dict)}) without {err}"
        ) from err
    if stem[1] != 3 or head[0] != 1:
        raise ValueError(
            f"found {stem[1]} input channels and {head[0]} classes, expected 3 input channels "
            "and 1 class"
        )
    expansion = 4 if "encoder.layer1.0.conv3.weight" in state_dict else 1
    blocks = tuple(_count_blocks(state_dict, stage) for stage in range(1, 5))
    depth = {64 * expansion * 2**k: k + 2 for k in range(4)}.get(pyramid)
    names = _RESNETS.get(expansion, {})
    fitting = [n for n, b in names.items() if _blocks_fit(blocks, b, depth or 0)]
    if depth is None or depth < 3 or not fitting:
        raise ValueError(
            f"found residual blocks {blocks} and {pyramid} pyramid channels, "
            "expected a ResNet encoder"
        )
    return ModelSpec(encoder_name=fitting[0], encoder_depth=depth, psp_out_channels=int(head[1]))


# Residual blocks in the four stages (He et al. 2015, table 1); the first name wins when pruned
# weights fit several.
_RESNETS: dict[int, dict[str, tuple[int, int, int, int]]] = {
    4: {"resnet101": (3, 4, 23, 3), "resnet50": (3, 4, 6, 3), "resnet152": (3, 8, 36, 3)},
    1: {"resnet34": (3, 4, 6, 3), "resnet18": (2, 2, 2, 2)},
}


def _blocks_fit(found: tuple[int, ...], expected: tuple[int, ...], depth: int) -> bool:
    run = depth - 1
    return found[:run] == expected[:run] and all(
        f in (0, e) for f, e in zip(found[run:], expected[run:], strict=True)
    )


def _count_blocks(state_dict: Mapping[str, torch.Tensor], stage: int) -> int:
    pattern = re.compile(rf"encoder\.layer{stage}\.(\d+)\.")
    return len({m.group(1) for m in map(pattern.match, state_dict) if m})


def _without_dead_stages(
    state_dict: Mapping[str, torch.Tensor], encoder_depth: int
) -> dict[str, torch.Tensor]:
    dead = tuple(prefix for depth, prefix in _DEAD_STAGES.items() if depth > encoder_depth)
    return {k: v for k, v in state_dict.items() if not dead or not k.startswith(dead)}


_Content = tuple[dict[str, torch.Tensor], ModelSpec, dict[str, Any]]


def _read_safetensors(path: Path) -> _Content:
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(SPEC_KEY)
            state_dict = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if header is None:
            return state_dict, infer_spec(state_dict), {}
        described = json.loads(header)
        return state_dict, ModelSpec.from_dict(described["spec"]), described.get("metadata", {})
    except SafetensorError as err:
        raise CheckpointError(
            f"damaged or truncated safetensors file: {path}: {err}: get the file again"
        ) from err
    except (ValueError, KeyError, TypeError, OverflowError) as err:
        raise CheckpointError(
            f"not PSPNet weights: {path}: {_shorten(str(err))}: expected a one-class PSPNet"
        ) from err


def _read_pth(path: Path) -> _Content:
    stored = path.read_bytes()
    _refuse_packed(path)
    try:
        content: Any = torch.load(io.BytesIO(stored), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as err:
        raise CheckpointError(
            f"refused checkpoint: {path}: it is no file of plain tensors (pickled code or objects "
            "are never run): expected a state dict saved with torch.save, or .safetensors"
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
    """Refuse a zip bomb: torch stores tensors unpacked, so a file holds no more than its size."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as entries:
            unpacked = sum(entry.file_size for entry in entries.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return  # damaged: torch says so
    if unpacked > path.stat().st_size:
        raise CheckpointError(
            f"refused checkpoint: {path}: it unpacks to more than its own size: expected a file "
            "as torch.save writes it"
        )


def _interpret_pth(content: Any) -> _Content:
    if not isinstance(content, Mapping):
        raise ValueError(f"found {type(content).__name__}, no state dict")
    own = isinstance(content.get("model"), Mapping) and "spec" in content
    state_dict = dict(content["model"] if own else content)
    if not state_dict or not all(isinstance(v, torch.Tensor) for v in state_dict.values()):
        raise ValueError(f"found keys {_first_keys(state_dict)}, not all of them tensors")
    if not own:
        return state_dict, infer_spec(state_dict), {}
    return state_dict, ModelSpec.from_dict(content["spec"]), dict(content.get("metadata", {}))


def _first_keys(state_dict: Mapping[str, Any]) -> str:
    names = [str(k) for k in list(state_dict)[:3]]
    return ", ".join(names) + (", …" if len(state_dict) > 3 else "")


def _shorten(text: str, limit: int = 300) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
