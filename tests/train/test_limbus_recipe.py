"""Training of the network that reads the limbus."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from cornea_stream.postprocess.limbus_network import (
    DIRECTIONS,
    OFFSETS,
    LimbusNetwork,
    network_input,
)
from cornea_stream.postprocess.unroll import directions_of
from cornea_stream.synthetic.shapes import Ellipse
from cornea_train.recipes import limbus, limbus_strips
from cornea_train.recipes.frames import ellipse_of
from cornea_train.recipes.limbus_strips import Around

AROUND = directions_of(DIRECTIONS)


@pytest.fixture(scope="module")
def some() -> Around:
    return limbus_strips.collect(8, seed=3, workers=0)


def test_distances_lead_to_the_ellipse() -> None:
    ellipse = Ellipse(200.0, 120.0, 70.0, 50.0, 0.4)
    center = np.array([190.0, 126.0])
    points = center + limbus_strips.distances(ellipse, center, AROUND)[:, None] * AROUND
    x, y = (points - [ellipse.x, ellipse.y]).T
    along = (x * math.cos(0.4) + y * math.sin(0.4)) / ellipse.a
    across = (y * math.cos(0.4) - x * math.sin(0.4)) / ellipse.b
    np.testing.assert_allclose(np.hypot(along, across), 1, atol=1e-9)


@pytest.mark.parametrize("x", [210.0, 30.0, 400.0], ids=["whole", "cut left", "cut right"])
def test_ellipse_of_a_mask_is_exact_also_if_the_border_cuts_it(x: float) -> None:
    drawn = Ellipse(x, 110.0, 80.0, 62.0, 0.5)
    rows, columns = np.mgrid[:256, :416]
    along = (columns - x) * math.cos(0.5) + (rows - 110) * math.sin(0.5)
    across = (rows - 110) * math.cos(0.5) - (columns - x) * math.sin(0.5)
    mask = np.where(np.hypot(along / 80, across / 62) <= 1, 255, 0).astype(np.uint8)
    found = ellipse_of(mask)
    assert found is not None
    center = np.array([x, 110.0])
    far = limbus_strips.distances(found, center, AROUND) / limbus_strips.distances(
        drawn, center, AROUND
    )
    np.testing.assert_allclose(far, 1, atol=0.004)


def test_mask_without_a_cornea_has_no_ellipse() -> None:
    mask = np.zeros((256, 416), np.uint8)
    assert ellipse_of(mask) is None
    mask[:, 0] = 255
    assert ellipse_of(mask) is None


def test_truth_is_where_the_mask_ends() -> None:
    rows, columns = np.mgrid[:256, :416]
    mask = np.where(np.hypot(columns - 210, (rows - 120) / 0.9) < 70, 255, 0).astype(np.uint8)
    mask[:70] = 0  # no ellipse there
    image = np.repeat(mask[..., None], 3, axis=2)
    true, outline = Ellipse(210, 120, 70, 63, 0.0), Ellipse(214, 118, 74, 64, 0.1)
    found = limbus_strips.around(image, mask, true, outline)
    below = AROUND[:, 1] > -0.3
    ends = OFFSETS[0] + 0.015 * ((found.colors[..., 0] > 127).sum(axis=1) - 0.5)
    assert abs((ends - found.limbus)[below].mean()) < 0.004
    np.testing.assert_allclose(ends[below], found.limbus[below], atol=0.025)
    assert found.known[below].all()
    assert not found.known[AROUND[:, 1] < -0.95].any()


def test_outlines_are_off_on_all_sides(some: Around) -> None:
    assert len(some.colors) > 5 * limbus_strips.OUTLINES
    assert some.colors.shape[1:] == (DIRECTIONS, len(OFFSETS), 3)
    assert some.limbus.shape == some.known.shape == some.inside.shape[:2]
    assert abs(some.limbus.mean()) < 0.05
    assert 0.03 < some.limbus.std() < 0.15
    assert some.known.mean() > 0.8


def test_batches_differ_from_what_was_drawn_but_keep_truth_beside_colors(some: Around) -> None:
    rng = np.random.default_rng(0)
    marked = some._replace(
        colors=np.broadcast_to(
            np.clip(128 + 400 * some.limbus, 0, 255).astype(np.uint8)[..., None, None],
            some.colors.shape,
        ).copy()
    )
    for _ in range(5):
        chosen = limbus_strips.batch_of(rng, marked, 40)
        shown, truth = chosen.colors.mean(axis=(2, 3)), chosen.limbus
        alike = [np.corrcoef(a, b)[0, 1] for a, b in zip(shown, truth, strict=True) if a.std() > 5]
        assert np.median(alike) > 0.9
    assert len({limbus_strips.batch_of(rng, some, 4).colors.tobytes() for _ in range(5)}) == 5


def test_training_finds_the_limbus_of_what_it_saw(
    some: Around, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limbus, "DECAY", 0.9)  # a short run must not average over its beginning
    strips = torch.from_numpy(np.stack([
        network_input(colors.astype(np.float32), inside)
        for colors, inside in zip(some.colors, some.inside, strict=True)
    ]))  # fmt: skip
    networks = limbus.train(some, 1, 4, 1e-3, 0), limbus.train(some, 150, 32, 3e-3, 0)
    with torch.inference_mode():
        (_, before), (_, after) = (limbus.losses(network(strips), some) for network in networks)
    assert after < 0.6 * before


def test_command_gives_the_same_weights_again(tmp_path: Path) -> None:
    arguments = ["--frames", "3", "--steps", "4", "--batch", "4", "--workers", "0"]
    for name in ("a", "b"):
        out = tmp_path / f"{name}.safetensors"
        limbus.main(["--out", str(out), *arguments])
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    strip = np.zeros((DIRECTIONS, 4 * len(OFFSETS)), np.float32)
    assert LimbusNetwork(tmp_path / "a.safetensors")(strip).shape == (DIRECTIONS, len(OFFSETS))


def test_real_frames_of_other_surgeries_are_mixed_in(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:96, :128]
    mask = np.where(np.hypot(columns - 64, rows - 48) < 30, 255, 0).astype(np.uint8)
    image = np.where(mask[..., None] > 0, (250, 0, 250), (0, 250, 0)).astype(np.uint8)
    usual, mixed = (
        limbus_strips.collect(12, seed=1, workers=0, real=real, real_share=0.92)
        for real in ([], [(image, mask)])
    )

    def green(strips: Around) -> float:
        colors = strips.colors.astype(int)
        return float((colors[..., 1] > colors[..., 0] + 60).mean())

    assert green(usual) < 0.05
    assert green(mixed) > 0.15


def test_training_can_go_on_from_weights(tmp_path: Path, some: Around) -> None:
    limbus.save(limbus.train(some, 30, 8, 3e-3, 0), tmp_path / "a.safetensors")
    again = limbus.train(some, 1, 1, 0.0, 1, tmp_path / "a.safetensors")
    limbus.save(again, tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
