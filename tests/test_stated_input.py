"""The input that weights of other trainers do not say: stated, used, or doubted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign import STATED, Tensors, network
from typer.testing import CliRunner

from cornea_stream import Segmenter
from cornea_stream.cli import app
from cornea_stream.errors import UsageError
from cornea_stream.models.checkpoint import load_checkpoint, save_checkpoint
from cornea_stream.models.pspnet import IMAGENET_MEAN, IMAGENET_STD, ModelSpec


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
    own = run("own.pth")
    assert "no cornea in any frame" in own
    assert "likely" not in own
    everywhere = {**weights, "segmentation_head.0.bias": torch.tensor([1e4])}
    torch.save(everywhere, tmp_path / "found.pth")
    assert "do not say" not in run("found.pth", "--raw-mask")
    both = ("--input-size", "64", "--input-normalization", "imagenet")
    assert "likely" not in run("w.pth", *both)


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
