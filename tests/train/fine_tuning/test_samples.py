"""What fine-tuning trains and is scored on: size, generated frames, the split."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TINY_SPEC

from cornea_stream.errors import UsageError
from cornea_stream.models.checkpoint import load_checkpoint, save_checkpoint
from cornea_stream.models.pspnet import build_pspnet
from cornea_train import generated
from cornea_train.config import FINE_TUNING, TrainConfig
from cornea_train.dataset import open_cache
from cornea_train.distributed import World
from cornea_train.generated import KnownFrames
from cornea_train.loaders import Loaders
from cornea_train.network import build_network, class_name_of, settled
from cornea_train.split import Split, make_split
from cornea_train.trainer import train


def test_dropout_is_that_of_the_settings(tuning: TrainConfig) -> None:
    for share in (0.0, 0.4):
        network, _ = build_network(settled(replace(tuning, dropout=share))[0])
        layers = [m for m in network.modules() if isinstance(m, torch.nn.Dropout2d)]
        assert layers
        assert {layer.p for layer in layers} == {share}


def test_weights_that_do_not_say_their_input_are_doubted(
    tuning: TrainConfig, tmp_path: Path
) -> None:
    torch.save(build_pspnet("resnet18").state_dict(), tmp_path / "theirs.pth")
    config, (note,) = settled(replace(tuning, init=tmp_path / "theirs.pth"))
    assert "do not say what input they were trained on" in note
    assert "cornea-stream export" in note
    assert config.image_size == (512, 512)


def test_another_size_is_warned_of_and_must_fit(tuning: TrainConfig) -> None:
    notes: list[str] = []
    train(replace(tuning, epochs=1, image_size=128), on_note=notes.append)
    assert "image_size is 128x128, and the weights of init are made for 64x64" in notes[0]
    assert settled(replace(tuning, image_size=64))[1] == []
    with pytest.raises(UsageError, match="image_size must be multiples of 8"):
        settled(replace(tuning, image_size=60))


def test_the_structure_is_that_of_the_weights_unless_another_is_named(
    tuning: TrainConfig, tmp_path: Path
) -> None:
    spec = replace(TINY_SPEC, class_name="Pupil")
    model = build_pspnet("resnet18", psp_out_channels=spec.psp_out_channels)
    save_checkpoint(tmp_path / "pupil.safetensors", model.state_dict(), spec)
    mixed = replace(tuning, mix_generated=0.5)
    config, notes = settled(replace(mixed, init=tmp_path / "pupil.safetensors"))
    assert notes == ["generated frames show corneas, so none are mixed in for Pupil"]
    assert config.mix_generated == 0
    assert (class_name_of(config), build_network(config)[1].class_name) == ("Pupil", "Pupil")
    config, _ = settled(replace(mixed, class_name=" IOL 2"))
    assert (config.mix_generated, build_network(config)[1].class_name) == (0, "IOL 2")
    config, notes = settled(mixed)
    assert (config.mix_generated, build_network(config)[1].class_name) == (0.5, "Cornea")
    assert notes == []


@pytest.mark.parametrize("name", ["default", "resnet101"])
def test_shipped_weights_can_be_named(tuning: TrainConfig, name: str) -> None:
    config, notes = settled(replace(tuning, init=Path(name)))
    assert config.image_size == load_checkpoint(name).spec.image_size
    assert notes == []


def test_the_recipe_is_as_published_without_init(data_dir: Path, start: Path) -> None:
    recipe = TrainConfig.of(data_dir=data_dir)
    assert recipe == TrainConfig(data_dir)
    assert (recipe.epochs, recipe.lr, recipe.augment) == (150, 5e-5, "none")
    recorded, _ = settled(recipe)
    assert (recorded.image_size, recorded.split, recorded.fold) == ((512, 512), "case", 0)
    encoder = (recorded.encoder_name, recorded.encoder_weights, recorded.encoder_depth)
    assert encoder == ("resnet101", "imagenet", 3)
    tuned = TrainConfig.of(data_dir=data_dir, init=start, epochs=7)
    assert (tuned.epochs, tuned.lr, tuned.split) == (7, FINE_TUNING["lr"], "auto")
    TrainConfig.of(data_dir=data_dir, init=start, split_file=start).check()


def test_generated_frames_are_half_of_the_samples(tuning: TrainConfig, tmp_path: Path) -> None:
    config, _ = settled(replace(tuning, mix_generated=0.5, least_frames=30))
    cache = open_cache(config.data_dir, tmp_path / "cache", config.input_size)
    world = World(0, 1, torch.device("cpu"))
    loaders = Loaders(config, world, cache, Split([3, 4, 5, 6], [0]))
    frames: Any = loaders.train.dataset
    assert len(frames) == 64  # 4 frames 8 times, and as many generated ones
    generated = [np.asarray(frames[index][0]) for index in (32, 33, 63)]
    frames.epoch = 1
    assert not np.array_equal(generated[0], frames[32][0])
    frames.epoch = 0
    assert np.array_equal(generated[2], frames[63][0])
    assert len({image.tobytes() for image in generated}) == 3
    image, mask = KnownFrames((64, 96))[0]
    assert (image.shape, mask.shape) == ((64, 96, 3), (64, 96))
    assert set(np.unique(mask)) == {0, 255}
    again = KnownFrames((64, 96))[0]
    assert all(np.array_equal(a, b) for a, b in zip(again, (image, mask), strict=True))


def test_generated_frames_show_no_eye_at_times_and_are_never_those_scored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: dict[str, list[int]] = {"frame": [], "empty": [], "known": []}
    now = "frame"

    def frame(seed: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        drawn[now].append(seed)
        return np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)

    def empty(seed: int, height: int, width: int) -> np.ndarray:
        drawn["empty"].append(seed)
        return np.zeros((height, width, 3), np.uint8)

    monkeypatch.setattr(generated, "generate_frame", frame)
    monkeypatch.setattr(generated, "generate_empty", empty)
    frames = generated.GeneratedFrames(1000, (8, 8), seed=0)
    for index in range(len(frames)):
        frames[index]
    now = "known"
    KnownFrames((8, 8))
    assert 0.05 < len(drawn["empty"]) / len(frames) < 0.11
    assert max(drawn["frame"]) < min(drawn["known"])


def test_frames_are_varied_in_every_epoch_and_held_out_ones_are_not(
    tuning: TrainConfig, tmp_path: Path
) -> None:
    config, _ = settled(replace(tuning, mix_generated=0.0))
    cache = open_cache(config.data_dir, tmp_path / "cache", config.input_size)
    loaders = Loaders(config, World(0, 1, torch.device("cpu")), cache, Split([3], [3]))
    trained, held_out = loaders.train.dataset, loaders.validation.dataset
    for frames, changes in ((trained, True), (held_out, False)):
        seen = []
        for epoch in (0, 1):
            frames.epoch = epoch  # type: ignore[attr-defined]
            seen.append(np.asarray(frames[0][0]))
        assert changes is not np.array_equal(*seen)
    assert np.array_equal(np.asarray(held_out[0][0]), cache.images[3])


def test_few_surgeries_are_split_by_frame(tuning: TrainConfig, tmp_path: Path) -> None:
    pairs = open_cache(tuning.data_dir, tmp_path / "cache", 64).pairs
    whole = make_split(pairs, tuning)
    assert len({pairs[i].case for i in whole.validation}) == 1
    few = [pair for pair in pairs if pair.case in ("case_00", "case_01")]
    split = make_split(few, tuning)
    assert {few[i].case for i in split.train} == {"case_00", "case_01"}
    assert len(split.validation) == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"log": ("paper",)}, "unknown log: 'paper'"), ({"mix_generated": 1.0}, "mix_generated must"),
     ({"patience": -1}, "patience must be 0"), ({"least_frames": 0.5}, "least_frames"),
     ({"encoder_name": "resnet101"}, r"encoder_name is for training without .*start\.safetensors"),
     ({"encoder_weights": "imagenet"}, "encoder_weights is for training without init"),
     ({"encoder_depth": 3}, "encoder_depth is for training without init")],
)  # fmt: skip
def test_settings_that_make_no_sense(
    tuning: TrainConfig, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        train(replace(tuning, **settings))
