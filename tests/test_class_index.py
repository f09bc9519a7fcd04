"""Networks of several classes, of which one is segmented."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from foreign import STATED, expected, logits, network, picture

from cornea_stream import Segmenter
from cornea_stream.errors import CheckpointError, UsageError
from cornea_stream.models.checkpoint import load_checkpoint, save_checkpoint


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
    with pytest.raises(UsageError, match="class_index must be 0 to 2, got 3"):
        load_checkpoint(tmp_path / "three.pth", class_index="3:sigmoid")


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
