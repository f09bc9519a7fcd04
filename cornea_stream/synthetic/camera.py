"""Light and camera: spot, vignette, color cast, exposure, blur, noise, JPEG, interlacing."""

from __future__ import annotations

import cv2
import numpy as np

from cornea_stream.synthetic.shapes import Ellipse, Image, Plane, chance, smooth_noise
from cornea_stream.synthetic.traits import Traits


def light(rng: np.random.Generator, canvas: Plane, around: Ellipse, traits: Traits) -> Image:
    """Return the (H, W, 3) canvas lit by the microscope as uint8: spot, vignette, exposure."""
    height, width = canvas.shape[:2]
    if traits.round_light:
        _light_round(rng, canvas, around)
    elif chance(rng, 0.75):
        spread = max(around.radius, height * 0.12) * rng.uniform(2.2, 5)
        spot = Ellipse(
            around.x + rng.normal(0, 0.3) * around.radius,
            around.y + rng.normal(0, 0.3) * around.radius,
            spread, spread * rng.uniform(0.8, 1.2), 0.0,
        )  # fmt: skip
        radius, _ = spot.polar(height, width)
        floor = rng.uniform(0.35, 0.9) if traits.heads_up else rng.uniform(0.05, 0.7)
        fall = floor + (1 - floor) * np.exp(-(radius ** np.float32(rng.uniform(2, 5))))
        canvas *= fall.astype(np.float32)[..., None]
    if chance(rng, 0.5):
        shade = smooth_noise(rng, height, width, 2.5) * rng.uniform(0.02, 0.2)
        canvas *= np.clip(1 + shade, 0.4, 1.6)[..., None]
    canvas *= np.float32(rng.uniform(0.4, 0.8) if traits.dim else rng.uniform(0.6, 1.35))
    if chance(rng, 0.12):  # a lamp too bright: part of the scene is blown out
        glare = Ellipse(
            width * rng.random(), height * rng.random(),
            height * rng.uniform(0.05, 0.4), height * rng.uniform(0.05, 0.4), 0.0,
        )  # fmt: skip
        radius, _ = glare.polar(height, width)
        canvas += (np.exp(-(radius**2)) * np.float32(rng.uniform(60, 400)))[..., None]
    return np.clip(canvas, 0, 255).astype(np.uint8)


def _light_round(rng: np.random.Generator, canvas: Plane, around: Ellipse) -> None:
    """Darken all but a round field a little larger than the cornea `around`, in place."""
    reach = max(around.radius, canvas.shape[0] * 0.12)
    spread = reach * rng.uniform(1.2, 2.1)
    off = rng.normal(0, 0.15, 2) * reach
    spot = Ellipse(
        around.x + off[0], around.y + off[1], spread, spread * rng.uniform(0.9, 1.1), 0.0
    )
    radius, _ = spot.polar(*canvas.shape[:2])
    fall = np.exp(-(radius ** np.float32(rng.uniform(2.2, 7))))[..., None]
    stray = rng.uniform(0.02, 0.25) * rng.uniform([0.4, 0.7, 0.6], [1, 1, 1])
    canvas *= (stray + (1 - stray) * fall).astype(np.float32)


_CASTS = [
    (255, 190, 215), (215, 180, 255), (180, 200, 255), (170, 225, 255), (190, 255, 205),
    (255, 235, 170), (255, 200, 180),
]  # fmt: skip


def develop(
    rng: np.random.Generator, image: Image, *, cast: bool = False, flat: bool = False
) -> Image:
    """Return the (H, W, 3) uint8 image as a camera with all its faults records it.

    `cast` tints the picture; `flat` takes most of its contrast.
    """
    image = grade(rng, image)
    if cast or flat:
        image = _veil(rng, image, cast, flat)
    height, width = image.shape[:2]
    if chance(rng, 0.6):
        image = _bytes(cv2.GaussianBlur(image, (0, 0), height * rng.uniform(0.0005, 0.009)))
    if chance(rng, 0.15):
        reach = max(3, round(height * rng.uniform(0.005, 0.03)))
        size = (reach, 1) if chance(rng, 0.5) else (1, reach)
        image = _bytes(cv2.blur(image, size))
    if chance(rng, 0.15):
        small = (max(16, round(width * rng.uniform(0.25, 0.7))), max(16, height // 2))
        image = _bytes(cv2.resize(cv2.resize(image, small), (width, height)))
    if chance(rng, 0.15):  # a camera that sharpens: halos along the edges
        soft = cv2.GaussianBlur(image, (0, 0), height * rng.uniform(0.002, 0.008))
        amount = rng.uniform(0.4, 1.5)
        image = _bytes(cv2.addWeighted(image, 1 + amount, soft, -amount, 0))
    if chance(rng, 0.6):
        image = add_noise(rng, image, rng.uniform(1, 9))
    if chance(rng, 0.08):
        image[1::2] = np.roll(image[1::2], int(rng.integers(1, max(2, width // 60))), axis=1)
    if chance(rng, 0.35):
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 95))]
        image = _bytes(cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_COLOR))
    return image


def _veil(rng: np.random.Generator, image: Image, cast: bool, flat: bool) -> Image:
    """Return the image multiplied with a cast, veiled by stray light."""
    tint = np.asarray(_CASTS[rng.integers(len(_CASTS))], np.float32) / 255
    gains = 1 + (tint - 1) * rng.uniform(0.3, 1.1) if cast else np.ones(3, np.float32)
    contrast = rng.uniform(0.5, 0.9) if flat else 1.0
    lift = rng.uniform(5, 70) * (1 - contrast) / 0.5 if flat else 0.0
    levels = np.arange(256, dtype=np.float32)[:, None]
    curves = (levels * contrast + lift) * gains
    return _bytes(cv2.LUT(image, np.clip(curves, 0, 255).astype(np.uint8)[None]))


def grade(rng: np.random.Generator, image: Image) -> Image:
    """Return the (H, W, 3) uint8 image with random white balance, gamma, contrast, saturation."""
    levels = np.arange(256, dtype=np.float32) / 255
    gamma, contrast = rng.uniform(0.7, 1.5), rng.uniform(0.75, 1.25)
    gains = 1 + rng.normal(0, 0.09, 3)
    lifts = rng.normal(0, 0.02, 3)
    curves = ((levels**gamma)[:, None] * gains * contrast + lifts) * 255
    image = _bytes(cv2.LUT(image, np.clip(curves, 0, 255).astype(np.uint8)[None]))
    if chance(rng, 0.3):
        image = _turn_hue(image, int(rng.normal(0, 14)))
    share = rng.uniform(0.15, 1.25)
    gray = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return _bytes(cv2.addWeighted(image, share, gray, 1 - share, 0))


def _turn_hue(image: Image, steps: int) -> Image:
    """Return the image with its hue turned by `steps` of two degrees."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(np.int16) + steps) % 180
    return _bytes(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))


def add_noise(rng: np.random.Generator, image: Image, sigma: float) -> Image:
    """Return the uint8 image with Gaussian noise of `sigma` gray levels."""
    # A small tile repeated: drawing a normal number per pixel would cost more than the eye.
    tile = rng.normal(0, sigma, (128, 131, 3)).astype(np.int16)
    height, width = image.shape[:2]
    noise = np.tile(tile, (height // 128 + 1, width // 131 + 1, 1))[:height, :width]
    return _bytes(np.clip(image + noise, 0, 255).astype(np.uint8))


def _bytes(image: object) -> Image:
    return np.asarray(image, np.uint8)
