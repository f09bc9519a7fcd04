"""The network: what is pruned is dead, and the split-off upsampling is the network's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cornea_stream.models.checkpoint import load_checkpoint
from cornea_stream.models.cornea_net import CorneaNet
from cornea_stream.models.pspnet import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ModelSpec,
    build_pspnet,
    prune_dead_layers,
)
from cornea_stream.postprocess.mask import upsample_logits


def parameters(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_pruning_drops_41_of_43_million_parameters_and_changes_no_bit() -> None:
    torch.manual_seed(0)
    model = build_pspnet("resnet101").eval()
    assert parameters(model) == pytest.approx(43.3e6, rel=0.002)
    batch = torch.rand(1, 3, 64, 64) * 255
    with torch.inference_mode():
        before = model(batch)
        pruned = prune_dead_layers(model)
        after = pruned(batch)
    assert torch.equal(before, after)
    assert parameters(pruned) == pytest.approx(2.25e6, rel=0.01)


@pytest.mark.parametrize("name", ["resnet34", "mobilenet_v2"])
def test_deep_and_foreign_encoders_keep_what_they_run(name: str) -> None:
    model = build_pspnet(name, encoder_depth=5).eval()
    batch = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        before = model(batch)
        assert torch.equal(before, prune_dead_layers(model)(batch))
    assert before.shape == (1, 1, 64, 64)


def test_inference_network_equals_the_library_up_to_round_off() -> None:
    torch.manual_seed(1)
    model = build_pspnet("resnet18", psp_out_channels=32).eval()
    spec = ModelSpec("resnet18", 3, 32, (64, 64), IMAGENET_MEAN, IMAGENET_STD)
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    normalized = (torch.from_numpy(image).float() - torch.tensor(spec.mean)) / torch.tensor(
        spec.std
    )
    with torch.inference_mode():
        expected = model(normalized.permute(0, 3, 1, 2))[0, 0].numpy()
        low = CorneaNet(model, spec).eval()(torch.from_numpy(image))[0, 0].numpy()
    assert low.shape == (8, 8)
    np.testing.assert_allclose(upsample_logits(low, (64, 64)), expected, atol=1e-4)


def test_spec_survives_json_and_refuses_wrong_kinds() -> None:
    spec = ModelSpec("resnet34", image_size=(384, 512), mean=IMAGENET_MEAN)
    assert ModelSpec.from_dict({**spec.to_dict(), "from the future": 1}) == spec
    with pytest.raises(ValueError, match="image_size must hold 2 numbers"):
        ModelSpec.from_dict({"image_size": [512]})
    with pytest.raises(ValueError, match="encoder_depth must be int"):
        ModelSpec.from_dict({"encoder_depth": "three"})


def test_default_weights_load_and_fit(tmp_path: Path) -> None:
    checkpoint = load_checkpoint()
    assert parameters(checkpoint.build()) == pytest.approx(0.774e6, rel=0.01)
    assert checkpoint.path is not None
    assert checkpoint.path.stat().st_size < 4e6
