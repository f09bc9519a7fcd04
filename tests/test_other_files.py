"""Files that are no PSPNet are named for what they are, and nothing in them is run."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import torch
from foreign import Tensors, network, prefixed
from torch import nn

from cornea_stream.errors import CheckpointError
from cornea_stream.models.checkpoint import load_checkpoint


class _Whole(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 1)


OTHERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "unet": (
        lambda p: torch.save(smp.Unet("resnet18", encoder_weights=None).state_dict(), p),
        "a UNet",
    ),
    "unet++ inside of a trainer's file": (
        lambda p: torch.save({"state_dict": prefixed(
            smp.UnetPlusPlus("resnet18", encoder_weights=None).state_dict(), "model.")}, p),
        r"a UNet\+\+",
    ),
    "deeplab": (
        lambda p: torch.save(smp.DeepLabV3Plus("resnet18", encoder_weights=None).state_dict(), p),
        "a DeepLabV3",
    ),
    "yolo": (lambda p: torch.save({"model.0.conv.weight": torch.ones(1)}, p), "a YOLO"),
    "classifier": (
        lambda p: torch.save(dict.fromkeys(("conv1.weight", "fc.weight"), torch.ones(1)), p),
        "a classifier",
    ),
    "whole model": (lambda p: torch.save(network(), p), "a whole pickled model"),
    "torchscript": (lambda p: torch.jit.script(_Whole()).save(str(p)), "TorchScript"),
    "mobilenet": (
        lambda p: torch.save(smp.PSPNet("mobilenet_v2", encoder_weights=None).state_dict(), p),
        "neither a ResNet nor an EfficientNet-Lite",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", OTHERS)
def test_other_files_are_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "other.pth"
    make, message = OTHERS[kind]
    make(path)
    with pytest.raises(CheckpointError, match=rf"other\.pth.*{message}"):
        load_checkpoint(path)


def test_files_of_other_programs_are_named_by_their_suffix(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"\x08\x07")
    with pytest.raises(CheckpointError, match=r"net\.onnx: it is an ONNX network"):
        load_checkpoint(tmp_path / "net.onnx")


def test_settings_beside_the_weights_are_never_imported(tmp_path: Path, weights: Tensors) -> None:
    torch.save({"model": weights, "args": argparse.Namespace(a=1)}, tmp_path / "w.pth")
    content = (tmp_path / "w.pth").read_bytes()
    assert b"cargparse\nNamespace" in content
    for inside in (b"cargparse\nNamespacf", b"csubprocesx\nPopenxx"[:19]):
        assert len(inside) == len(b"cargparse\nNamespace")
    evil = content.replace(b"cargparse\nNamespace", b"cosssssss\nNamespace")
    (tmp_path / "evil.pth").write_bytes(evil)
    with pytest.raises(CheckpointError, match=r"evil\.pth"):
        load_checkpoint(tmp_path / "evil.pth")
