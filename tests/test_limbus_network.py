"""The small network reads the limbus from the colors around an outline."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import disc, write_video

from cornea_stream.errors import CheckpointError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.frame import Image
from cornea_stream.postprocess import limbus_network
from cornea_stream.postprocess.limbus_network import (
    DIRECTIONS,
    OFFSETS,
    LimbusNetwork,
    around_outline,
    network_input,
    read_limbus,
)
from cornea_stream.postprocess.unroll import directions_of
from cornea_stream.runs.run import run_source
from cornea_train.recipes.limbus import Network, save

CENTER, RADIUS = np.array([210.0, 124.0]), 60.0
AROUND = directions_of(DIRECTIONS)


def eye(iris: tuple[int, int, int], sclera: tuple[int, int, int]) -> Image:
    """Return a frame of a round iris with a dark pupil, softly bounded, with noise."""
    rows, columns = np.mgrid[:256, :416].astype(np.float32)
    radius = np.hypot(columns - CENTER[0], rows - CENTER[1])[..., None] / RADIUS
    inside = 1 / (1 + np.exp(np.clip((radius - 1) / 0.01, -50, 50)))
    pupil = radius < 0.45
    colors = inside * np.where(pupil, 30, np.array(iris)) + (1 - inside) * np.array(sclera)
    noise = np.random.default_rng(0).normal(0, 2, colors.shape)
    return np.clip(colors + noise, 0, 255).astype(np.uint8)


def strip(seed: int = 0) -> np.ndarray:
    colors = np.random.default_rng(seed).uniform(0, 255, (DIRECTIONS, len(OFFSETS), 3))
    return network_input(colors.astype(np.float32), np.ones((DIRECTIONS, len(OFFSETS)), bool))


def test_network_gives_what_the_trained_one_gives(tmp_path: Path) -> None:
    torch.manual_seed(0)
    trained = Network()
    save(trained, tmp_path / "w.safetensors")
    stored = {key: value.half().float() for key, value in trained.state_dict().items()}
    trained.load_state_dict(stored)
    found = LimbusNetwork(tmp_path / "w.safetensors")(strip())
    with torch.inference_mode():
        expected = torch.sigmoid(trained(torch.from_numpy(strip()[None]))[0]).numpy()
    assert found.std() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_installation_without_it(
    segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limbus_network, "_FILE", "nowhere.safetensors")
    monkeypatch.setattr(limbus_network, "packaged", limbus_network.packaged.__wrapped__)
    video = write_video(tmp_path / "v.mp4", [disc(320, 240, 160, 120, 50)[0]] * 3)
    with pytest.raises(CheckpointError, match=r"nowhere\.safetensors: reinstall"):
        run_source(video, tmp_path / "out", segmenter)
    assert not list((tmp_path / "out").rglob("overlay*"))


def test_no_direction_is_the_first(tmp_path: Path) -> None:
    save(Network(), tmp_path / "w.safetensors")
    network = LimbusNetwork(tmp_path / "w.safetensors")
    turned = network(np.roll(strip(), 17, axis=0))
    np.testing.assert_allclose(turned, np.roll(network(strip()), 17, axis=0), atol=1e-5)


def test_input_depends_on_neither_light_nor_cast_nor_on_what_is_out_of_view() -> None:
    rng = np.random.default_rng(1)
    colors = rng.uniform(0, 100, (DIRECTIONS, len(OFFSETS), 3)).astype(np.float32)
    inside = np.ones((DIRECTIONS, len(OFFSETS)), bool)
    inside[3:29, 10:] = False
    given = network_input(colors, inside)
    assert given.shape == (DIRECTIONS, 4 * len(OFFSETS))
    assert (given.reshape(DIRECTIONS, -1, 4)[3:29, 10:] == 0).all()
    assert 0.6 < given.reshape(DIRECTIONS, -1, 4)[inside][:, :3].std() < 1
    cast = colors + np.array([10, 30, 70], np.float32)
    np.testing.assert_allclose(given, network_input(cast, inside), atol=1e-4)
    np.testing.assert_allclose(given, network_input(2 * colors, inside), atol=0.35)
    colors[~inside] = 255
    np.testing.assert_array_equal(given, network_input(colors, inside))
    nothing = network_input(colors, np.zeros_like(inside))
    assert (nothing == 0).all()


@pytest.mark.parametrize(
    ("iris", "sclera"),
    [((90, 70, 50), (220, 200, 190)), ((110, 130, 130), (190, 110, 100))],
    ids=["darker than the sclera", "of another color, as bright"],
)
@pytest.mark.parametrize("off", [-0.1, -0.04, 0.0, 0.06, 0.12])
def test_limbus_is_read_where_it_is(
    iris: tuple[int, int, int], sclera: tuple[int, int, int], off: float
) -> None:
    image = eye(iris, sclera)
    radii = np.full(DIRECTIONS, RADIUS * (1 + off))
    offset, sure = read_limbus(image, CENTER, AROUND, radii)
    expected = 1 / (1 + off) - 1
    assert np.abs(np.median(offset) - expected) < 0.016
    assert sure.mean() > 0.5


def test_nothing_is_sure_where_nothing_can_be_seen() -> None:
    radii = np.full(DIRECTIONS, RADIUS)
    noise = np.random.default_rng(0).normal(120, 2, (256, 416, 3)).astype(np.uint8)
    for image in (noise, np.zeros_like(noise), np.full_like(noise, 255)):
        _, sure = read_limbus(image, CENTER, AROUND, radii)
        assert sure.mean() < 0.25


def test_limbus_out_of_the_picture_is_not_sure() -> None:
    image = np.ascontiguousarray(eye((90, 70, 50), (220, 200, 190))[:, 200:])
    _, sure = read_limbus(image, CENTER - [200, 0], AROUND, np.full(DIRECTIONS, RADIUS))
    left = AROUND[:, 0] < -0.4
    assert (sure[left] == 0).all()
    assert sure[AROUND[:, 0] > 0.2].mean() > 0.5


def test_colors_lie_where_the_outline_says() -> None:
    image = cv2.merge([np.tile(np.arange(416) // 2, (256, 1)).astype(np.uint8)] * 3)
    colors, inside = around_outline(image, CENTER, AROUND, np.full(DIRECTIONS, RADIUS))
    columns = CENTER[0] + np.multiply.outer(AROUND[:, 0], RADIUS * (1 + OFFSETS))
    assert inside.all()
    np.testing.assert_allclose(colors[..., 0], columns / 2 - 0.25, atol=0.6)
