"""Weights files: all three kinds are read, nothing in them is run, and errors say what is wrong."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from conftest import TINY_SPEC
from safetensors.torch import save_file

from cornea_stream.errors import CheckpointError, OutputError
from cornea_stream.models.checkpoint import load_checkpoint, save_checkpoint
from cornea_stream.models.infer_spec import infer_spec
from cornea_stream.models.pspnet import build_pspnet


def test_published_state_dict_takes_raw_rgb_at_512(published_checkpoint: Path) -> None:
    checkpoint = load_checkpoint(published_checkpoint)
    spec = checkpoint.spec
    assert (spec.encoder_name, spec.encoder_depth, spec.image_size) == ("resnet101", 3, (512, 512))
    assert spec.mean == (0, 0, 0)
    assert spec.std == (1, 1, 1)
    assert len(checkpoint.sha256) == 64
    checkpoint.build()


@pytest.mark.parametrize("depth", [3, 5])
@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "resnet101"])
def test_encoder_and_depth_are_inferred_from_the_keys(name: str, depth: int) -> None:
    with torch.device("meta"):
        model = build_pspnet(name, encoder_depth=depth, psp_out_channels=64)
    spec = infer_spec(model.state_dict())
    assert (spec.encoder_name, spec.encoder_depth, spec.psp_out_channels) == (name, depth, 64)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_saved_weights_come_back_without_dead_layers(tmp_path: Path, suffix: str) -> None:
    model = build_pspnet("resnet18", psp_out_channels=32)
    path = tmp_path / "sub" / f"w{suffix}"
    save_checkpoint(path, model.state_dict(), TINY_SPEC, {"epoch": 3})
    loaded = load_checkpoint(path)
    assert loaded.spec == TINY_SPEC
    assert loaded.metadata == {"epoch": 3}
    assert not any("layer3" in key or "layer4" in key for key in loaded.state_dict)
    expected = model.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in loaded.state_dict.items())
    assert [p.name for p in path.parent.iterdir()] == [path.name]


class _Bomb:
    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.mkdir, (str(self.flag),)


def test_pickled_code_is_refused_and_not_run(tmp_path: Path) -> None:
    path, flag = tmp_path / "evil.pth", tmp_path / "ran"
    torch.save({"encoder.conv1.weight": _Bomb(flag)}, path)
    with pytest.raises(CheckpointError, match=r"refused checkpoint: .*evil\.pth"):
        load_checkpoint(path)
    path.write_bytes(pickle.dumps(_Bomb(flag)))
    with pytest.raises(CheckpointError, match=r"evil\.pth"):
        load_checkpoint(path)
    assert not flag.exists()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_truncated_files_are_named(tmp_path: Path, suffix: str, share: float) -> None:
    whole, path = tmp_path / f"whole{suffix}", tmp_path / f"cut{suffix}"
    save_checkpoint(whole, build_pspnet("resnet18", psp_out_channels=32).state_dict(), TINY_SPEC)
    content = whole.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match=f"damaged or truncated.*cut{suffix}|refused.*cut"):
        load_checkpoint(path)


def test_wrong_architectures_say_what_was_found(tmp_path: Path) -> None:
    path = tmp_path / "unet.pth"
    torch.save({"down.0.weight": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match=r"unet\.pth: found 1 tensors \(down\.0\.weight\)"):
        load_checkpoint(path)
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match="found list, no state dict"):
        load_checkpoint(path)
    torch.save({"model": {"x": 3}, "spec": {}}, path)
    with pytest.raises(CheckpointError, match="not all of them tensors"):
        load_checkpoint(path)
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="not PSPNet weights"):
        load_checkpoint(tmp_path / "other.safetensors")


def test_spec_that_does_not_fit_the_weights(tmp_path: Path) -> None:
    state_dict = build_pspnet("resnet18", psp_out_channels=16).state_dict()
    save_checkpoint(tmp_path / "w.pth", state_dict, TINY_SPEC)
    with pytest.raises(CheckpointError, match=r"do not fit PSPNet-resnet18.*w\.pth"):
        load_checkpoint(tmp_path / "w.pth").build()


def test_missing_and_unwritable(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="checkpoint not found"):
        load_checkpoint(tmp_path / "none.pth")
    with pytest.raises(CheckpointError, match="is a folder"):
        load_checkpoint(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write output"):
        save_checkpoint(tmp_path / "file" / "w.pth", {}, TINY_SPEC)


def test_a_tensor_without_its_parts_is_damage(tmp_path: Path) -> None:
    class Broken:
        def __reduce__(self) -> tuple[object, tuple[()]]:
            return torch._utils._rebuild_tensor_v2, ()

    torch.save({"weight": Broken()}, tmp_path / "broken.pth")
    with pytest.raises(CheckpointError, match="damaged or truncated"):
        load_checkpoint(tmp_path / "broken.pth")


def test_weights_show_themselves_in_a_line() -> None:
    shown = repr(load_checkpoint())
    for words in ("cornea_default.safetensors, PSPNet-", "input (256, 416), Cornea, SHA-256 "):
        assert words in shown
    assert len(shown) < 200
