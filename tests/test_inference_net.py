"""The networks that inference builds itself equal those of the library, bit for bit."""

from __future__ import annotations

import pytest
import torch

from cornea_stream.models.checkpoint import Checkpoint, load_checkpoint
from cornea_stream.models.fuse import fuse, pad_evenly
from cornea_stream.models.inference_net import build_inference_net
from cornea_stream.models.pspnet import ModelSpec, build_pspnet, prune_dead_layers

ENCODERS = (
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152",
    "tu-tf_efficientnet_lite0", "tu-tf_efficientnet_lite1", "tu-tf_efficientnet_lite2",
)  # fmt: skip


def trained(name: str, depth: int) -> torch.nn.Module:
    """Return the library's network with weights and statistics that nothing cancels out."""
    with torch.device("meta"):  # its own random weights take seconds
        model = prune_dead_layers(build_pspnet(name, encoder_depth=depth, psp_out_channels=32))
    model.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(depth)
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.weight.data.normal_(0, module.weight[0].numel() ** -0.5, generator=generator)
            if module.bias is not None:
                module.bias.data.normal_(0, 0.1, generator=generator)
        elif isinstance(module, torch.nn.BatchNorm2d):
            module.load_state_dict(
                {
                    "weight": torch.rand(module.num_features, generator=generator) + 0.5,
                    "bias": torch.randn(module.num_features, generator=generator) / 10,
                    "running_mean": torch.randn(module.num_features, generator=generator) / 10,
                    "running_var": torch.rand(module.num_features, generator=generator) + 0.5,
                    "num_batches_tracked": torch.tensor(1),
                }
            )
    return model.eval()


@pytest.mark.parametrize("depth", [3, 4, 5])
@pytest.mark.parametrize("name", ENCODERS)
def test_output_is_that_of_the_library_bit_for_bit(name: str, depth: int) -> None:
    model = trained(name, depth)
    spec = ModelSpec(name, depth, 32, (64, 96))
    net = Checkpoint(model.state_dict(), spec).build_for_inference()
    assert not type(net).__module__.startswith("segmentation_models_pytorch")
    batch = torch.rand(2, 3, 64, 96) * 255
    with torch.inference_mode():
        expected = model(batch)
        assert expected.std() > 0
        assert torch.equal(net(batch), expected)
        if depth == 3:
            fused = fuse(net, spec.image_size)(batch)
            torch.testing.assert_close(
                fused, expected, rtol=1e-3, atol=1e-3 * float(expected.std())
            )


def test_default_weights_give_the_library_s_logits() -> None:
    weights = load_checkpoint()
    batch = torch.rand(1, 3, *weights.spec.image_size) * 255
    with torch.inference_mode():
        assert torch.equal(weights.build_for_inference()(batch), weights.build()(batch))


def test_other_encoders_come_from_the_library() -> None:
    assert build_inference_net(ModelSpec("mobilenet_v2")) is None
    model = build_pspnet("mobilenet_v2").eval()
    weights = Checkpoint(model.state_dict(), ModelSpec("mobilenet_v2", image_size=(64, 64)))
    batch = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(weights.build_for_inference()(batch), model(batch))


def test_half_precision_weights_compute_in_full_precision() -> None:
    model = trained("resnet18", 3).half()
    weights = Checkpoint(model.state_dict(), ModelSpec("resnet18", 3, 32))
    kinds = {p.dtype for p in weights.build_for_inference().parameters()}
    assert kinds == {torch.float32}


@pytest.mark.parametrize("size", [(64, 96), (96, 160)])
def test_even_padding_changes_nothing(size: tuple[int, int]) -> None:
    """Both kernel sizes of EfficientNet-Lite, 3 and 5, halve the picture without a copy of it."""
    spec = ModelSpec("tu-tf_efficientnet_lite0", 5, 32, size)
    model = trained(spec.encoder_name, spec.encoder_depth)
    fused = fuse(Checkpoint(model.state_dict(), spec).build_for_inference(), size)
    batch = torch.rand(1, 3, *size) * 255
    with torch.inference_mode():
        expected = fused(batch)
        strided = [m for m in pad_evenly(fused).modules() if isinstance(m, torch.nn.Conv2d)]
        torch.testing.assert_close(fused(batch), expected, rtol=1e-4, atol=1e-5)
    assert sorted(m.kernel_size[0] for m in strided if m.stride == (2, 2)) == [4, 4, 4, 6, 6]
