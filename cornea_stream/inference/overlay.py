"""The overlay of one image, for overlays of one's own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cornea_stream.errors import UsageError, check_text, wrong_type
from cornea_stream.media.class_name import CLASS_NAME
from cornea_stream.media.frame import Image
from cornea_stream.media.image_input import ColorOrder, ImageInput, is_bgr, rgb_pixels
from cornea_stream.media.overlay import OverlayStyle, paint_image
from cornea_stream.postprocess.measurement import checked_mask


def overlay(
    image: ImageInput,
    mask: Image | NDArray[np.bool_],
    style: OverlayStyle | None = None,
    *,
    color: ColorOrder = "rgb",
    class_name: str = CLASS_NAME,
) -> Image:
    """Return an image as (H, W, 3) uint8 with the cornea painted on; the image is not changed.

    `image` is anything that `Segmenter` takes but a path. `mask` is (H, W) uint8 or bool of its
    size, 0 outside. `style` is how it is painted; None paints a green area. `color` is the order
    of the channels of the result and of `image`, if it is an array or tensor. `class_name` is the
    text of the legend.
    Raises UsageError if `image` is no image or `mask` no mask of its size.

    Examples:
        >>> image, mask = np.zeros((96, 128, 3), np.uint8), np.zeros((96, 128), bool)
        >>> mask[30:60, 40:80] = True
        >>> painted = overlay(image, mask, OverlayStyle("red", opacity=1))
        >>> painted.shape, painted[45, 60].tolist(), painted[80, 60].tolist()
        ((96, 128, 3), [255, 0, 0], [0, 0, 0])

    """
    if style is not None and not isinstance(style, OverlayStyle):
        raise wrong_type("style", style, "an OverlayStyle, such as OverlayStyle(contour=True)")
    check_text("class_name", class_name, "the name of the structure, such as Cornea")
    checked = checked_mask(mask)
    pixels = rgb_pixels(image, color=color)
    if checked.shape != pixels.shape[:2]:
        raise UsageError(
            f"mask must have the size of the image: {checked.shape} and {pixels.shape[:2]}: "
            "use the mask of this image"
        )
    whole = np.where(checked, np.uint8(255), np.uint8(0))
    painted = paint_image(pixels, whole, style or OverlayStyle(), class_name)
    return np.ascontiguousarray(painted[..., ::-1]) if is_bgr(color) else painted
