"""Checkpoints as other trainers save them: found, and read as their own network."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from foreign import Tensors, expected, logits, network, prefixed
from safetensors.torch import save_file

from cornea_stream.errors import CheckpointError
from cornea_stream.models.checkpoint import load_checkpoint
from cornea_stream.runs.environment import describe_path

WRAPPERS: dict[str, Callable[[Tensors], Any]] = {
    "plain": lambda w: w,
    "state_dict": lambda w: {"state_dict": w, "epoch": 3, "optimizer": {"state": {}}},
    "model_state_dict": lambda w: {"model_state_dict": w, "loss": 0.25},
    "model": lambda w: {"model": w, "args": argparse.Namespace(lr=1e-3, out=Path("x"))},
    "net": lambda w: {"net": w, "best": np.float64(0.91), "history": np.arange(3)},
    "nested": lambda w: {"checkpoint": {"model": {"weights": w}}},
    "lightning": lambda w: {
        "state_dict": {**prefixed(w, "model."), "mean": torch.zeros(3), "loss_fn.w": torch.ones(1)},
        "pytorch-lightning_version": "2.5",
        "hyper_parameters": {"arch": "PSPNet"},
        "callbacks": {"ModelCheckpoint{'monitor': 'iou'}": {"best_model_score": torch.ones(())}},
    },
    "data parallel": lambda w: prefixed(w, "module."),
    "compiled": lambda w: {"state_dict": prefixed(w, "_orig_mod.module.")},
    "averaged model": lambda w: {**prefixed(w, "module."), "n_averaged": torch.tensor(7)},
    "half": lambda w: {k: v.half() if v.is_floating_point() else v for k, v in w.items()},
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_the_network_is_found_in_what_trainers_wrap_it_in(
    tmp_path: Path, weights: Tensors, wrapper: str
) -> None:
    torch.save(WRAPPERS[wrapper](weights), tmp_path / "w.pth")
    tolerance = 2e-2 if wrapper == "half" else 1e-5
    assert torch.allclose(logits(tmp_path / "w.pth"), expected(network()), atol=tolerance)


def test_half_precision_is_computed_in_full(tmp_path: Path, weights: Tensors) -> None:
    torch.save(WRAPPERS["half"](weights), tmp_path / "half.pth")
    tensors = load_checkpoint(tmp_path / "half.pth").state_dict.values()
    assert {tensor.dtype for tensor in tensors} == {torch.float32, torch.int64}


def test_what_is_left_out_is_said(tmp_path: Path, weights: Tensors) -> None:
    torch.save(WRAPPERS["lightning"](weights), tmp_path / "l.ckpt")
    torch.save(weights, tmp_path / "plain.pth")
    with_head = network(aux_params={"classes": 4}).state_dict()
    torch.save(with_head, tmp_path / "aux.pth")
    (note,) = load_checkpoint(tmp_path / "l.ckpt").notes
    assert "mean (1 tensors)" in note
    assert "loss_fn (1 tensors)" in note
    assert load_checkpoint(tmp_path / "aux.pth").notes == (
        "left out of the weights: classification_head (2 tensors)",
    )
    assert load_checkpoint(tmp_path / "plain.pth").notes == ()
    torch.save(WRAPPERS["averaged model"](weights), tmp_path / "swa.pth")
    assert load_checkpoint(tmp_path / "swa.pth").notes == ()
    load_checkpoint(tmp_path / "aux.pth").build()


@pytest.mark.parametrize("key", ["state_dict_ema", "ema", "model_ema"])
def test_of_two_copies_the_averaged_one_is_taken(
    tmp_path: Path, weights: Tensors, key: str
) -> None:
    other = {name: torch.zeros_like(value) for name, value in weights.items()}
    torch.save({"state_dict": other, key: weights}, tmp_path / "two.pth")
    assert torch.allclose(logits(tmp_path / "two.pth"), expected(network()), atol=1e-5)
    (note,) = load_checkpoint(tmp_path / "two.pth").notes
    assert note == f"took the weights at {key}, not those at state_dict"
    side_by_side = {**prefixed(other, "model."), **prefixed(weights, "ema_model.")}
    torch.save({"state_dict": side_by_side}, tmp_path / "two.ckpt")
    loaded = load_checkpoint(tmp_path / "two.ckpt")
    assert all(torch.equal(value, weights[name]) for name, value in loaded.state_dict.items())
    assert loaded.notes == (
        "took the weights at state_dict ema_model., not those at state_dict model.",
    )


def test_names_of_old_versions_are_read(tmp_path: Path, weights: Tensors) -> None:
    old = {}
    for name, value in weights.items():
        name = name.replace("segmentation_head.0.", "decoder.final_conv.")
        name = name.replace("psp.blocks", "psp.stages")
        for inside in ("pool.1.", "decoder.conv."):
            name = name.replace(f"{inside}0.", f"{inside}conv.")
            name = name.replace(f"{inside}1.", f"{inside}batchnorm.")
        old[name] = value
    assert "decoder.psp.stages.1.pool.1.batchnorm.weight" in old
    assert "decoder.conv.conv.weight" in old
    torch.save(old, tmp_path / "old.pth")
    assert torch.allclose(logits(tmp_path / "old.pth"), expected(network()), atol=1e-5)


@pytest.mark.parametrize(("name", "depth"), [("lite0", 3), ("lite0", 4), ("lite1", 5)])
@pytest.mark.parametrize("is_old", [False, True])
def test_efficientnet_lite_is_inferred(tmp_path: Path, name: str, depth: int, is_old: bool) -> None:
    net = smp.PSPNet(
        f"tu-tf_efficientnet_{name}", encoder_weights=None, encoder_depth=depth,
        psp_out_channels=16, upsampling=2**depth,
    ).eval()  # fmt: skip
    tensors = net.state_dict()
    if is_old:  # as timm-tf_efficientnet_lite0 was saved
        tensors = {k.replace("encoder.model.", "encoder."): v for k, v in tensors.items()}
    torch.save(tensors, tmp_path / "lite.pth")
    spec = load_checkpoint(tmp_path / "lite.pth").spec
    assert (spec.encoder_name, spec.encoder_depth) == (f"tu-tf_efficientnet_{name}", depth)
    assert torch.allclose(logits(tmp_path / "lite.pth"), expected(net), atol=1e-4)


def test_folders_of_save_pretrained(tmp_path: Path) -> None:
    network().save_pretrained(tmp_path / "psp")
    assert torch.allclose(logits(tmp_path / "psp"), expected(network()), atol=1e-5)
    assert load_checkpoint(tmp_path / "psp").assumed == ("input_size", "input_normalization")
    smp.Unet("resnet18", encoder_weights=None).save_pretrained(tmp_path / "unet")
    with pytest.raises(CheckpointError, match=r"unet: config\.json says it is Unet"):
        load_checkpoint(tmp_path / "unet")
    mobile = smp.PSPNet("mobilenet_v2", encoder_weights=None, psp_out_channels=16).eval()
    mobile.save_pretrained(tmp_path / "mobile")
    assert torch.allclose(logits(tmp_path / "mobile"), expected(mobile), atol=1e-4)
    (tmp_path / "mobile" / "model.safetensors").unlink()
    torch.save(mobile.state_dict(), tmp_path / "mobile" / "pytorch_model.bin")  # as before 2024
    assert torch.allclose(logits(tmp_path / "mobile"), expected(mobile), atol=1e-4)
    described = describe_path(tmp_path / "mobile")
    assert described["encoder_name"] == "mobilenet_v2"
    (tmp_path / "psp" / "config.json").write_text(json.dumps({"_model_class": "PSPNet"}))
    with pytest.raises(CheckpointError, match="encoder_name"):
        load_checkpoint(tmp_path / "psp")
    (tmp_path / "psp" / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="not found"):
        load_checkpoint(tmp_path / "psp")


def test_safetensors_without_a_header_are_read(tmp_path: Path, weights: Tensors) -> None:
    save_file(weights, tmp_path / "w.safetensors")
    assert torch.allclose(logits(tmp_path / "w.safetensors"), expected(network()), atol=1e-5)
