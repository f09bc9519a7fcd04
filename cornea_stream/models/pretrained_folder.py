"""Folders that `save_pretrained` of segmentation-models-pytorch writes."""

from __future__ import annotations

import json
from pathlib import Path

from cornea_stream.models.pspnet import ModelSpec

CONFIG = "config.json"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def weights_file(path: Path) -> Path:
    """Return the file with the tensors: in a folder of `save_pretrained`, else `path` itself."""
    if not (path / CONFIG).is_file():
        return path
    files = [path / name for name in _WEIGHTS]
    return next((file for file in files if file.is_file()), files[0])


def read_config(path: Path) -> ModelSpec:
    """Return the spec of the network in config.json; it does not know of an input.

    Raises ValueError for other networks than a PSPNet on RGB.
    """
    try:
        config = json.loads(path.read_text("utf-8"))
    except OSError as err:
        raise ValueError(f"config.json cannot be read: {err.strerror}") from err
    kind = config.get("_model_class") or config.get("model_type")
    if kind != "PSPNet":
        raise ValueError(f"config.json says it is {kind}, not a PSPNet")
    if config.get("in_channels", 3) != 3:
        raise ValueError(f"found {config['in_channels']} input channels, expected 3")
    return ModelSpec.from_dict(
        {
            "encoder_name": config["encoder_name"],
            "encoder_depth": config.get("encoder_depth", 3),
            "psp_out_channels": config.get("psp_out_channels", 512),
            "classes": config.get("classes", 1),
        }
    )
