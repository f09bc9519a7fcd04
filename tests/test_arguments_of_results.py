"""What `Segmenter` and its streams take, as people spell it, and what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cornea_stream import (
    RunOptions,
    Segmenter,
    load_checkpoint,
    save_checkpoint,
)
from cornea_stream.engines.names import device_names
from cornea_stream.errors import UsageError


def test_devices_and_precisions_as_people_spell_them(tiny_checkpoint: Path) -> None:
    import torch

    for device in ("CPU", " cpu ", torch.device("cpu")):
        assert Segmenter(tiny_checkpoint, device=device).engine.describe()["device"] == "cpu"
    torch_device = torch.device("cuda", 77)
    typed = {77: "cuda:77", "77": "77", "gpu:77": "gpu:77", torch_device: "cuda:77"}
    for device, named in typed.items():
        with pytest.raises(UsageError, match=f"no such GPU: {named}: "):
            Segmenter(tiny_checkpoint, device=device)
    assert device_names("gpu") == device_names(" GPU") == "cuda"
    fp32 = Segmenter(tiny_checkpoint, device="cpu", backend="torch", precision="float32")
    assert fp32.mask_settings.precision == "fp32"
    with pytest.raises(UsageError, match="fp16 needs a GPU"):
        Segmenter(tiny_checkpoint, device="cpu", backend="torch", precision="half")


def test_weights_that_are_no_path() -> None:
    for make, name in (
        (lambda: Segmenter(5), "checkpoint"),  # type: ignore[arg-type]
        (lambda: load_checkpoint(5), "checkpoint"),  # type: ignore[arg-type]
        (lambda: save_checkpoint(5, {}, None), "path"),  # type: ignore[arg-type]
        (lambda: Segmenter(calibration=5, precision="int8"), "calibration"),  # type: ignore[arg-type]
    ):
        with pytest.raises(UsageError, match=f"{name} cannot be of type int: give"):
            make()


@pytest.mark.parametrize(
    ("name", "value"), [("streams", "-"), ("streams", ("-",)), ("preview", True), ("live", "yes")]
)
def test_options_of_a_wrong_type(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"{name} cannot be of type {type(value).__name__}: give"):
        RunOptions(**{name: value})


def test_colors_as_people_give_them(segmenter: Segmenter, tmp_path: Path) -> None:
    assert RunOptions(color=(0, 255, 255)) == RunOptions(color="#00ffff")
    assert RunOptions(color=np.array([0, 255, 255])).style.rgb == (0, 255, 255)
    for color, message in (
        ((0, 255), "color must be three integers from 0 to 255"),
        ((0, 255, 256), "color must be three integers"),
        ((0.0, 1.0, 1.0), "color must be three integers"),
        (None, "color cannot be of type NoneType"),
    ):
        with pytest.raises(UsageError, match=message):
            RunOptions(color=color)  # type: ignore[arg-type]
