"""Checkpoints as other trainers save them: found, cut to one class, or refused by their name."""

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
from safetensors.torch import save_file
from torch import nn
from typer.testing import CliRunner

from cornea_stream import Segmenter
from cornea_stream.cli import app
from cornea_stream.errors import CheckpointError, UsageError
from cornea_stream.models.checkpoint import load_checkpoint, save_checkpoint
from cornea_stream.models.pspnet import IMAGENET_MEAN, IMAGENET_STD, ModelSpec
from cornea_stream.runs.environment import describe_path

STATED: dict[str, Any] = {"input_size": 64, "input_normalization": "imagenet"}
Tensors = dict[str, torch.Tensor]


def network(classes: int = 1, **more: Any) -> smp.PSPNet:
    torch.manual_seed(3)
    return smp.PSPNet(
        "resnet18", encoder_weights=None, classes=classes, psp_out_channels=16, **more
    ).eval()


@pytest.fixture(scope="module")
def weights() -> Tensors:
    return dict(network().state_dict())


def prefixed(tensors: Tensors, prefix: str) -> Tensors:
    return {prefix + name: value for name, value in tensors.items()}


def logits(path: Path, **stated: Any) -> torch.Tensor:
    net = load_checkpoint(path, **{**STATED, **stated}).build_for_inference()
    with torch.inference_mode():
        found: torch.Tensor = net(picture())
    return found


def picture() -> torch.Tensor:
    return torch.linspace(-2, 2, 3 * 64 * 64).reshape(1, 3, 64, 64)


def expected(net: nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = net(picture())
    return found


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
    assert not torch.allclose(logits(tmp_path / "two.ckpt"), torch.zeros(1))


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


@pytest.mark.parametrize("index", [0, 2])
def test_one_of_three_classes_has_its_softmax(tmp_path: Path, index: int) -> None:
    net = network(3)
    torch.save(net.state_dict(), tmp_path / "three.pth")
    true = torch.softmax(net.segmentation_head[0](net.decoder(net.encoder(picture()))), 1)
    loaded = load_checkpoint(tmp_path / "three.pth", class_index=index, **STATED)
    for net in (loaded.build(), loaded.build_for_inference()):
        small = net.segmentation_head[0](net.decoder(net.encoder(picture())))  # type: ignore[operator, index]
        assert torch.allclose(torch.sigmoid(small)[:, 0], true[:, index], atol=1e-5)
    save_checkpoint(tmp_path / "again.safetensors", loaded.state_dict, loaded.spec)
    again = load_checkpoint(tmp_path / "again.safetensors")
    assert again.spec.class_index == index
    assert torch.equal(again.build()(picture()), loaded.build()(picture()))


def test_two_classes_become_one(tmp_path: Path) -> None:
    net = network(2)
    torch.save(net.state_dict(), tmp_path / "two.pth")
    both = expected(net)
    assert load_checkpoint(tmp_path / "two.pth", class_index=1).spec.classes == 1
    for index in (0, 1):
        margin = both[:, index : index + 1] - both[:, 1 - index : 2 - index]
        assert torch.allclose(logits(tmp_path / "two.pth", class_index=index), margin, atol=1e-5)


@pytest.mark.parametrize("classes", [2, 3])
def test_one_of_independent_classes_has_its_sigmoid(tmp_path: Path, classes: int) -> None:
    net = network(classes)
    torch.save(net.state_dict(), tmp_path / "w.pth")
    loaded = load_checkpoint(tmp_path / "w.pth", class_index="1:sigmoid", **STATED)
    assert (loaded.spec.classes, loaded.spec.class_index, loaded.notes) == (1, 0, ())
    for net_of_one in (loaded.build(), loaded.build_for_inference()):
        assert torch.allclose(net_of_one(picture()), expected(net)[:, 1:2], atol=1e-5)
    (note,) = load_checkpoint(tmp_path / "w.pth", class_index="1").notes
    assert "class_index=1:sigmoid" in note
    assert torch.equal(
        logits(tmp_path / "w.pth", class_index="1:softmax"),
        logits(tmp_path / "w.pth", class_index=1),
    )


@pytest.mark.parametrize("text", ["iris", "-1", "1:tanh", ":sigmoid", ""])
def test_classes_that_are_no_numbers(tmp_path: Path, text: str) -> None:
    torch.save(network(3).state_dict(), tmp_path / "three.pth")
    with pytest.raises(UsageError, match=r"not a class_index: .*use a number from 0"):
        load_checkpoint(tmp_path / "three.pth", class_index=text)


def test_a_class_must_be_chosen_and_exist(tmp_path: Path) -> None:
    torch.save(network(3).state_dict(), tmp_path / "three.pth")
    with pytest.raises(CheckpointError, match=r"weights of 3 classes: .*class_index=0 to 2"):
        load_checkpoint(tmp_path / "three.pth")
    with pytest.raises(UsageError, match="class_index must be 0 to 2, got 3"):
        load_checkpoint(tmp_path / "three.pth", class_index=3)


def test_every_engine_segments_one_of_three_classes(tmp_path: Path) -> None:
    torch.save(network(3).state_dict(), tmp_path / "three.pth")
    image = np.random.default_rng(0).integers(0, 256, (80, 96, 3), dtype=np.uint8)
    masks = [
        Segmenter(
            tmp_path / "three.pth", device="cpu", backend=backend, precision="fp32", raw=True,
            class_index=1, **STATED,
        )(image).mask
        for backend in ("torch", "openvino")
    ]  # fmt: skip
    assert np.mean(masks[0] != masks[1]) < 0.01
    others = Segmenter(
        tmp_path / "three.pth", device="cpu", backend="torch", precision="fp32", raw=True,
        class_index=0, **STATED,
    )(image).mask  # fmt: skip
    assert not np.array_equal(masks[0], others)


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


@pytest.mark.parametrize(
    ("text", "mean", "std"),
    [("raw", (0, 0, 0), (1, 1, 1)), ("imagenet", IMAGENET_MEAN, IMAGENET_STD),
     ("0/255", (0, 0, 0), (255, 255, 255)), ("127/128", (127,) * 3, (128,) * 3),
     ("1, 2,3/4,5,6", (1, 2, 3), (4, 5, 6))],
)  # fmt: skip
def test_the_stated_input_is_used(
    tmp_path: Path, weights: Tensors, text: str, mean: Any, std: Any
) -> None:
    torch.save(weights, tmp_path / "w.pth")
    loaded = load_checkpoint(tmp_path / "w.pth", input_size="64x96", input_normalization=text)
    assert (loaded.spec.image_size, loaded.spec.mean, loaded.spec.std) == ((64, 96), mean, std)
    assert loaded.doubt is None


@pytest.mark.parametrize(
    ("stated", "message"),
    [({"input_size": 100}, "multiples of 8"), ({"input_size": "big"}, "not an input_size"),
     ({"input_size": "1x2x3"}, "not an input_size"),
     ({"input_normalization": "minmax"}, "unknown input_normalization"),
     ({"input_normalization": "1,2/3"}, "unknown input_normalization"),
     ({"input_normalization": "0.5/0.5"}, "in 0-1 units"),
     ({"input_normalization": "9/0"}, "std above 0")],
)  # fmt: skip
def test_stated_inputs_that_make_no_sense(
    tmp_path: Path, weights: Tensors, stated: dict[str, Any], message: str
) -> None:
    torch.save(weights, tmp_path / "w.pth")
    with pytest.raises(UsageError, match=message):
        load_checkpoint(tmp_path / "w.pth", **stated)


def test_weights_that_say_their_input_are_not_contradicted(tiny_checkpoint: Path) -> None:
    with pytest.raises(UsageError, match="leave out input_size"):
        load_checkpoint(tiny_checkpoint, input_size=128)
    loaded = load_checkpoint(tiny_checkpoint)
    assert loaded.doubt is None
    with pytest.raises(UsageError, match="these weights are loaded"):
        Segmenter(loaded, input_size=128)


def test_other_inputs_are_other_masks(tmp_path: Path, weights: Tensors) -> None:
    torch.save(weights, tmp_path / "w.pth")
    segmenters = [
        Segmenter(tmp_path / "w.pth", device="cpu", backend="torch", **stated)
        for stated in ({}, {"input_size": 64}, STATED)
    ]
    assert len({segmenter.mask_settings for segmenter in segmenters}) == 3


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


def test_empty_masks_of_weights_without_an_input_are_explained(
    tmp_path: Path, weights: Tensors
) -> None:
    tensors = {**weights, "segmentation_head.0.bias": torch.tensor([-1e4])}
    torch.save(tensors, tmp_path / "w.pth")
    save_checkpoint(
        tmp_path / "own.pth", tensors, ModelSpec("resnet18", 3, 16, image_size=(64, 64))
    )
    import cv2

    cv2.imwrite(str(tmp_path / "a.png"), np.full((64, 64, 3), 90, np.uint8))

    def run(name: str, *options: str) -> str:
        result = CliRunner().invoke(
            app, ["run", str(tmp_path / "a.png"), "--device", "cpu", "--backend", "torch",
                  "-o", str(tmp_path / f"out{len(options)}{name}"),
                  "--checkpoint", str(tmp_path / name), *options],
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        return " ".join(result.output.split())

    output = run("w.pth")
    assert "do not say what input they were trained on" in output
    assert "--input-normalization imagenet" in output
    assert "likely" not in run("own.pth")
    both = ("--input-size", "64", "--input-normalization", "imagenet")
    assert "likely" not in run("w.pth", *both)


def test_safetensors_without_a_header_are_read(tmp_path: Path, weights: Tensors) -> None:
    save_file(weights, tmp_path / "w.safetensors")
    assert torch.allclose(logits(tmp_path / "w.safetensors"), expected(network()), atol=1e-5)


def test_export_keeps_what_was_stated(tmp_path: Path) -> None:
    torch.save(network(3).state_dict(), tmp_path / "w.pth")
    done = CliRunner().invoke(
        app, ["export", str(tmp_path / "w.pth"), "-o", str(tmp_path / "w.safetensors"),
              "--input-size", "64", "--input-normalization", "127/128", "--class-index", "2"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    spec = load_checkpoint(tmp_path / "w.safetensors").spec
    assert (spec.image_size, spec.mean[0], spec.std[0]) == ((64, 64), 127, 128)
    assert (spec.classes, spec.class_index) == (3, 2)
