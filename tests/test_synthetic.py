from itertools import pairwise

import cv2
import numpy as np
import pytest

from cornea_stream.synthetic import KINDS, generate_clip, generate_empty, generate_frame
from cornea_stream.synthetic.eye import _join
from cornea_stream.synthetic.frame import burned_share, paint_scene
from cornea_stream.synthetic.occluders import MOST_HIDDEN, hidden_share, paint_occluders
from cornea_stream.synthetic.shapes import Ellipse, blend
from cornea_stream.synthetic.traits import draw_traits


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float(((a > 0) & (b > 0)).sum() / ((a > 0) | (b > 0)).sum())


@pytest.fixture(scope="module")
def many() -> list[tuple[np.ndarray, np.ndarray]]:
    return [generate_frame(seed, 128, 128) for seed in range(150)]


def test_same_seed_gives_same_bytes():
    for first, second in zip(generate_frame(7, 96, 128), generate_frame(7, 96, 128), strict=True):
        assert np.array_equal(first, second)
    assert np.array_equal(generate_empty(7, 96, 128), generate_empty(7, 96, 128))


def test_different_seeds_differ():
    assert not np.array_equal(generate_frame(1, 96, 128)[0], generate_frame(2, 96, 128)[0])


@pytest.mark.parametrize(("height", "width"), [(512, 512), (96, 160), (161, 97)])
def test_shapes_and_values(height, width):
    image, mask = generate_frame(3, height, width)
    assert image.shape == (height, width, 3)
    assert mask.shape == (height, width)
    assert image.dtype == mask.dtype == np.uint8
    assert set(np.unique(mask)) <= {0, 255}


def test_masks_are_plausible_and_varied(many):
    areas = np.array([(mask > 0).mean() for _, mask in many])
    assert areas.min() > 0.001
    assert areas.max() < 0.9
    assert areas.std() > 0.05
    cut = [mask[[0, -1]].any() or mask[:, [0, -1]].any() for _, mask in many]
    assert 0.02 < np.mean(cut) < 0.7


def test_colors_vary(many):
    means = np.array([image.mean(axis=(0, 1)) for image, _ in many])
    assert (means.std(axis=0) > 15).all()


def test_ellipse_mask_has_the_area_of_the_ellipse():
    mask = Ellipse(100.3, 80.7, 50, 30, 0.4).mask(160, 200)
    assert (mask > 0).sum() == pytest.approx(np.pi * 50 * 30, rel=0.01)


def test_ellipse_moves_with_its_pixels():
    cos, sin = 1.2 * np.cos(0.5), 1.2 * np.sin(0.5)
    moved = Ellipse(10, 20, 8, 4, 0.1).moved(np.array([[cos, -sin, 3], [sin, cos, -2]]))
    assert (moved.a, moved.b) == pytest.approx((9.6, 4.8))
    assert moved.angle == pytest.approx(0.6)
    assert (moved.x, moved.y) == pytest.approx((cos * 10 - sin * 20 + 3, sin * 10 + cos * 20 - 2))


def test_clip_moves_smoothly():
    masks = [mask for _, mask in generate_clip(5, 12, 192, 256)]
    assert len(masks) == 12
    assert all(iou(a, b) > 0.8 for a, b in pairwise(masks))
    assert not np.array_equal(masks[0], masks[-1])


def test_clip_repeats_and_does_not_depend_on_its_length():
    short = list(generate_clip(5, 2, 96, 128))
    long = list(generate_clip(5, 4, 96, 128))
    for (image, mask), (same_image, same_mask) in zip(short, long, strict=False):
        assert np.array_equal(image, same_image)
        assert np.array_equal(mask, same_mask)


def test_clip_of_a_kind_shows_it(monkeypatch):
    painted = []

    def noted(rng, limbus, height, width, traits):
        painted.append(traits)
        return paint_scene(rng, limbus, height, width, traits)

    monkeypatch.setattr("cornea_stream.synthetic.clip.paint_scene", noted)
    for kind in KINDS:
        image, mask = next(generate_clip(5, 1, 96, 128, kind=kind))
        assert getattr(painted[-1], kind)
        assert image.shape[:2] == mask.shape == (96, 128)
    assert not painted[0].hooks


def test_clip_mask_follows_the_painted_pixels(monkeypatch):
    # Paint only the disc, white on black, so that the moved pixels tell the true mask.
    def paint_disc(rng, limbus, height, width, traits):
        return np.repeat(limbus.mask(height, width)[..., None], 3, axis=2)

    class NoTool:
        def moved(self, offset):
            return self

        def draw(self, image):
            pass

    monkeypatch.setattr("cornea_stream.synthetic.clip.paint_scene", paint_disc)
    monkeypatch.setattr("cornea_stream.synthetic.clip.grade", lambda rng, image: image)
    monkeypatch.setattr("cornea_stream.synthetic.clip.make_instrument", lambda *_: NoTool())
    # Large frames: what is left is the half pixel of interpolating a hard edge.
    for image, mask in generate_clip(11, 12, 768, 1024):
        painted = image[..., 0] > 127
        assert iou(painted, mask) > 0.995
        centers = [np.argwhere(m).mean(axis=0) for m in (painted, mask > 0)]
        assert centers[0] == pytest.approx(centers[1], abs=0.2)


def test_empty_frames_have_the_asked_size_and_vary():
    frames = [generate_empty(seed, 96, 128) for seed in range(40)]
    assert all(f.shape == (96, 128, 3) and f.dtype == np.uint8 for f in frames)
    assert np.std([f.mean() for f in frames]) > 15


def test_blending_adds_the_share_and_nothing_where_there_is_none():
    canvas = np.full((20, 30, 3), 100, np.float32)
    alpha = np.zeros((20, 30), np.float32)
    blend(canvas, alpha, np.array([200, 0, 50], np.float32))
    assert (canvas == 100).all()
    alpha[5:9, 7:20] = 0.25
    blend(canvas, alpha, np.array([200, 0, 50], np.float32))
    assert np.allclose(canvas[6, 10], (125, 75, 87.5))
    assert (canvas[alpha == 0] == 100).all()
    blend(canvas, alpha * 4, np.zeros((20, 30, 3), np.float32))
    assert (canvas[alpha > 0] == 0).all()


def test_no_seed_of_many_fails():
    for seed in range(400):
        generate_frame(seed + 10_000, 48, 48)
        generate_empty(seed + 10_000, 48, 48)


def test_share_of_the_limbus_lost_in_white():
    image = np.zeros((100, 100, 3), np.uint8)
    whole, half_out = Ellipse(50, 50, 30, 20, 0.3), Ellipse(0, 50, 30, 20, 0.0)
    assert burned_share(image, whole) == 0
    image[:, 50:] = 255
    assert 0.4 < burned_share(image, whole) < 0.55
    assert burned_share(image, half_out) == 0  # what is out of view counts neither way
    image[..., 2] = 200  # a yellow cast is a color that shows edges
    assert burned_share(image, whole) == 0


def test_frames_whose_limbus_is_burned_out_are_drawn_again():
    burned_at_first = 2**40 + 112
    image, mask = generate_frame(burned_at_first, 128, 128)
    inside = cv2.erode(mask, np.ones((3, 3), np.uint8)) > 0
    outside = cv2.dilate(mask, np.ones((5, 5), np.uint8)) == 0
    near = outside & (cv2.dilate(mask, np.ones((11, 11), np.uint8)) > 0)
    white = image.min(axis=2) >= 245
    assert white[inside].mean() < 0.5 or white[near].mean() < 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_the_same_again(kind):
    assert getattr(draw_traits(np.random.default_rng(0), kind), kind)
    image, mask = generate_frame(5, 96, 128, kind=kind)
    again, same = generate_frame(5, 96, 128, kind=kind)
    assert np.array_equal(image, again)
    assert np.array_equal(mask, same)
    assert mask.any()


def test_unknown_kind_is_refused_with_the_known_ones_named():
    with pytest.raises(ValueError, match="unknown kind of frame: sunset: choose one of heads_up"):
        generate_frame(0, 64, 64, kind="sunset")
    with pytest.raises(ValueError, match="unknown kind of frame: sunset"):
        next(generate_clip(0, 1, 64, 64, kind="sunset"))


@pytest.mark.parametrize("kind", ["lid_cut", "soft_occluder", "instruments", "display"])
def test_mask_is_the_whole_disc_beneath_what_covers_it(kind):
    for seed in range(12):
        _, mask = generate_frame(seed, 128, 128, kind=kind)
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        hull = cv2.fillConvexPoly(np.zeros_like(mask), cv2.convexHull(max(contours, key=len)), 255)
        assert iou(hull, mask) > 0.95


def test_limbus_is_the_middle_of_the_transition():
    limbus = Ellipse(128, 128, 80, 80, 0.0)
    radius, angle = limbus.polar(256, 256)
    sclera = np.full(3, 220, np.float32)
    for seed in range(20):
        canvas = np.full((256, 256, 3), 220, np.float32)
        disc = np.full_like(canvas, 60)
        _join(np.random.default_rng(seed), canvas, disc, radius, angle, sclera, soft=True)
        rings = [canvas[np.abs(radius - r) < 0.006].mean() for r in (0.75, 0.97, 1.03, 1.25)]
        assert rings[0] == pytest.approx(60, abs=3)
        assert rings[3] == pytest.approx(220, abs=3)
        assert rings[1] < 152 < rings[2]


def test_soft_things_leave_two_thirds_of_the_limbus_in_view():
    limbus = Ellipse(64, 64, 30, 34, 0.0)
    changed = []
    for seed in range(30):
        image = np.full((128, 128, 3), 90, np.uint8)
        paint_occluders(np.random.default_rng(seed), image, limbus)
        strength = np.abs(image.astype(np.float32) - 90).max(axis=2)
        changed.append(hidden_share((strength > 30).astype(np.float32), limbus))
    assert max(changed) < MOST_HIDDEN + 0.1  # their soft edges hide a little more
    assert np.mean(np.array(changed) > 0.05) > 0.5
