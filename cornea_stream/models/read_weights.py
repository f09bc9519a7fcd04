"""Read the tensors of a file or folder and the network that they belong to."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from cornea_stream.errors import CheckpointError
from cornea_stream.models.foreign import find_weights
from cornea_stream.models.infer_spec import first_keys, infer_spec
from cornea_stream.models.pretrained_folder import CONFIG, read_config, weights_file
from cornea_stream.models.pspnet import ModelSpec
from cornea_stream.models.read_pth import read_pth
from cornea_stream.models.shipped import shipped_weights
from cornea_stream.models.stored_tensors import Tensors, load_safetensors

SPEC_KEY = "cornea_stream"
_OTHER_FORMATS = {
    ".onnx": "an ONNX network", ".h5": "a Keras network", ".keras": "a Keras network",
    ".tflite": "a TensorFlow Lite network", ".pb": "a TensorFlow network", ".engine": "TensorRT",
    ".pt2": "an exported program", ".xml": "an OpenVINO network",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Content:
    """What a file says; without `has_input`, it does not know what its network is fed with."""

    state_dict: Tensors | Callable[[], Tensors]
    spec: ModelSpec
    metadata: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    has_input: bool = True


def read_weights(path: Path, stored: bytes) -> Content:
    """Interpret the bytes of `path`. Raises CheckpointError that says what it is instead."""
    try:
        if path.is_dir():
            spec, file = read_config(path / CONFIG), weights_file(path)
            is_pickled = file.suffix != ".safetensors"
            found = find_weights(
                read_pth(file, stored) if is_pickled else _safetensors(path, stored)
            )
            return Content(found.state_dict, spec, {}, found.notes, has_input=False)
        if path.suffix == ".safetensors":
            return _read_safetensors(path, stored)
        return _interpret_pth(read_pth(path, stored))
    except (ValueError, KeyError, TypeError, OverflowError) as err:
        raise CheckpointError(
            f"not PSPNet weights: {path}: {shorten(str(err))}: expected a state dict of "
            "smp.PSPNet or a checkpoint from cornea-stream train"
        ) from err


def _safetensors(path: Path, stored: bytes) -> Tensors:
    try:
        return load_safetensors(stored)
    except SafetensorError as err:
        raise _damaged(path, err) from err


def _damaged(path: Path, err: SafetensorError) -> CheckpointError:
    return CheckpointError(
        f"damaged or truncated safetensors file: {path}: {err}: get the file again"
    )


def _read_safetensors(path: Path, stored: bytes) -> Content:
    try:
        with safe_open(path, framework="np") as file:  # its header; the tensors are for torch
            header = (file.metadata() or {}).get(SPEC_KEY)
    except SafetensorError as err:
        raise _damaged(path, err) from err
    if header is None:
        return _foreign(_safetensors(path, stored))
    described = json.loads(header)
    spec = ModelSpec.from_dict(described["spec"])
    return Content(partial(load_safetensors, stored), spec, described.get("metadata", {}))


def _interpret_pth(content: Any) -> Content:
    if not isinstance(content, Mapping):
        raise ValueError(f"found {type(content).__name__}, no state dict")
    import torch

    if not (isinstance(content.get("model"), Mapping) and "spec" in content):
        return _foreign(content)
    tensors = dict(content["model"])
    if not tensors or not all(isinstance(v, torch.Tensor) for v in tensors.values()):
        raise ValueError(f"found keys {first_keys(tensors)}, not all of them tensors")
    spec = ModelSpec.from_dict(content["spec"])
    return Content(tensors, spec, dict(content.get("metadata", {})))


def _foreign(content: Mapping[str, Any]) -> Content:
    found = find_weights(content)
    return Content(found.state_dict, infer_spec(found.state_dict), {}, found.notes, has_input=False)


def read_bytes(path: Path) -> bytes:
    """Return the content of the file with the tensors. Raises CheckpointError."""
    file = weights_file(path)
    if not file.is_file():
        what = "is a folder without config.json" if file.is_dir() else "not found"
        names = ", ".join(shipped_weights())
        raise CheckpointError(
            f"checkpoint {what}: {file}: pass a .pth or .safetensors file, or one of {names}"
        )
    if other := _OTHER_FORMATS.get(file.suffix.lower()):
        raise CheckpointError(
            f"not PSPNet weights: {file}: it is {other}, whose layers cannot be read as weights: "
            "pass the .pth or .safetensors it was made from"
        )
    try:
        return file.read_bytes()
    except OSError as err:
        raise CheckpointError(
            f"cannot read checkpoint: {file}: {err.strerror or err}: check its permissions"
        ) from err


def shorten(text: str, limit: int = 300) -> str:
    """Return the beginning of a long message."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
