"""Supervisely JSON <-> mask: polygons and bitmaps of the class "Cornea"."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cornea_stream.postprocess.contours import pixel_outlines

CLASS_NAME = "cornea"
NO_CORNEA = "no cornea"
"""Tag of an image without a cornea; without it, an empty annotation counts as forgotten."""
# Limit for decompressed bitmaps, so that a zlib bomb in an annotation cannot exhaust memory.
_MAX_BITMAP_BYTES = 64 * 2**20
# Fitted outlines can overshoot the frame slightly; beyond this, the annotation is wrong.
_MARGIN_SHARE = 0.25

Mask = NDArray[np.uint8]


class BadAnnotationError(Exception):
    """An annotation that cannot be used; the message says why."""


def read_mask(path: Path, size: tuple[int, int], *, respect_holes: bool = False) -> Mask:
    """Return the (H, W) uint8 mask, 0 or 255, of all corneas annotated in a JSON file.

    `size` is (height, width) of the image. Polygons are filled, including their holes unless
    `respect_holes` is set. Other classes and all paths in the file are ignored. An image without
    a cornea gives an empty mask if it is tagged NO_CORNEA.
    Raises BadAnnotationError.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise BadAnnotationError(f"annotation cannot be read: {err.strerror}") from err
    except (ValueError, RecursionError) as err:
        raise BadAnnotationError(f"malformed JSON: {err}") from err
    try:
        declared = (content["size"]["height"], content["size"]["width"])
        objects = [o for o in content["objects"] if str(o["classTitle"]).lower() == CLASS_NAME]
    except (KeyError, TypeError) as err:
        raise BadAnnotationError(f"not a Supervisely annotation: {err!r} is missing") from err
    if declared != size:
        raise BadAnnotationError(
            f"sizes differ: image {size[1]}x{size[0]}, annotation {declared[1]}x{declared[0]}"
        )
    mask = np.zeros(size, np.uint8)
    if not objects:
        if _is_tagged_empty(content):
            return mask
        raise BadAnnotationError(f"no cornea is annotated, and the tag {NO_CORNEA!r} is missing")
    for item in objects:
        try:
            _draw(mask, item, respect_holes)
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as err:
            raise BadAnnotationError(f"malformed geometry: {err}") from err
    if not mask.any():
        raise BadAnnotationError("the annotated cornea covers no pixels")
    return mask


def annotation(mask: Mask, *, polygons: bool = False) -> dict[str, Any]:
    """Return the JSON content for an (H, W) mask; every value above 0 is cornea.

    It is one exact bitmap or, with `polygons`, the simplified outlines without holes.
    """
    objects = [_polygon(points) for points in pixel_outlines(mask)] if polygons else _bitmap(mask)
    return {
        "description": "",
        "tags": [] if objects else [{"name": NO_CORNEA, "value": None}],
        "size": {"height": mask.shape[0], "width": mask.shape[1]},
        "objects": objects,
    }


def project_meta() -> dict[str, Any]:
    """Return the content of a project's meta.json: the class and the tag."""
    return {
        "classes": [{"title": CLASS_NAME.title(), "shape": "any", "color": "#00FF00"}],
        "tags": [
            {
                "name": NO_CORNEA,
                "value_type": "none",
                "color": "#FF0000",
                "applicable_type": "imagesOnly",
            }
        ],
    }


def _polygon(points: NDArray[np.float64]) -> dict[str, Any]:
    return _object("polygon", "points", {"exterior": points.tolist(), "interior": []})


def _bitmap(mask: Mask) -> list[dict[str, Any]]:
    x, y, width, height = cv2.boundingRect(mask)
    if not width:
        return []
    # Like Supervisely, store the mask in the alpha channel.
    patch = np.zeros((height, width, 4), np.uint8)
    patch[mask[y : y + height, x : x + width] > 0] = 255
    png = cv2.imencode(".png", patch)[1].tobytes()
    data = base64.b64encode(zlib.compress(png)).decode()
    return [_object("bitmap", "bitmap", {"data": data, "origin": [x, y]})]


def _object(kind: str, key: str, geometry: dict[str, Any]) -> dict[str, Any]:
    return {
        "classTitle": CLASS_NAME.title(),
        "description": "",
        "tags": [],
        "geometryType": kind,
        key: geometry,
    }


def _is_tagged_empty(content: dict[str, Any]) -> bool:
    tags = content.get("tags")
    names = [t.get("name") for t in tags if isinstance(t, dict)] if isinstance(tags, list) else []
    return any(str(name).strip().lower() == NO_CORNEA for name in names)


def _draw(mask: Mask, item: dict[str, Any], respect_holes: bool) -> None:
    kind = item.get("geometryType", "polygon")
    if kind == "polygon":
        exterior = _points(item["points"]["exterior"], mask.shape)
        if crosses_itself(exterior):
            raise BadAnnotationError("the polygon crosses itself")
        cv2.fillPoly(mask, [exterior], 255)
        for hole in item["points"].get("interior", []) if respect_holes else []:
            cv2.fillPoly(mask, [_points(hole, mask.shape)], 0)
    elif kind == "bitmap":
        _paste(mask, item["bitmap"]["data"], item["bitmap"]["origin"])
    else:
        raise BadAnnotationError(f"geometry {kind!r} is neither polygon nor bitmap")


def _points(values: Any, shape: tuple[int, ...]) -> NDArray[np.int32]:
    points = np.asarray(values, float)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
        raise BadAnnotationError(f"a polygon needs at least 3 points, got {len(points)}")
    limit = np.array(shape[::-1], float)
    outside = (points < -_MARGIN_SHARE * limit) | (points > (1 + _MARGIN_SHARE) * limit)
    if not np.isfinite(points).all() or outside.any():
        raise BadAnnotationError("the polygon lies outside the frame")
    return np.round(points).astype(np.int32)


def _paste(mask: Mask, data: str, origin: Any) -> None:
    """Draw a Supervisely bitmap: a PNG whose last channel is the mask, zlib- and base64-encoded."""
    try:
        inflate = zlib.decompressobj()
        png = inflate.decompress(base64.b64decode(data, validate=True), _MAX_BITMAP_BYTES)
    except (binascii.Error, zlib.error) as err:
        raise BadAnnotationError(f"the bitmap cannot be decompressed: {err}") from err
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED) if png else None
    if image is None or inflate.unconsumed_tail:
        raise BadAnnotationError("the bitmap is not a PNG")
    patch = image if image.ndim == 2 else image[..., -1]
    x, y = int(origin[0]), int(origin[1])
    height, width = patch.shape
    if x < 0 or y < 0 or y + height > mask.shape[0] or x + width > mask.shape[1]:
        raise BadAnnotationError("the bitmap lies outside the frame")
    region = mask[y : y + height, x : x + width]
    region[patch > 0] = 255


def crosses_itself(points: NDArray[np.int32]) -> bool:
    """Whether two non-adjacent sides of the closed (N, 2) polygon cross."""
    ring = points.astype(float)
    ring = ring[np.any(ring != np.roll(ring, 1, axis=0), axis=1)]
    if len(ring) < 4:
        return False
    a, b = ring, np.roll(ring, -1, axis=0)

    def side(p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the side of the line a[i]-b[i] that q[j] is on, for all i and j."""
        along, offset = (b - a)[:, None], q[None] - p[:, None]
        return np.asarray(np.sign(along[..., 0] * offset[..., 1] - along[..., 1] * offset[..., 0]))

    # Sides i and j cross if each separates the end points of the other.
    split = side(a, a) * side(a, b) < 0
    return bool((split & split.T).any())
