"""Masks as Supervisely JSON: exact bitmaps or outlines of one class."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cornea_stream.media.class_name import CLASS_NAME
from cornea_stream.postprocess.contours import pixel_outlines
from cornea_train.formats.base import Mask, empty_tag


def annotation(
    mask: Mask, *, polygons: bool = False, class_name: str = CLASS_NAME
) -> dict[str, Any]:
    """Return the JSON content for an (H, W) mask; every value above 0 is the class.

    It is one exact bitmap or, with `polygons`, the simplified outlines without holes. An empty
    mask gives the tag that says so.
    """
    shapes = _polygons(mask) if polygons else _bitmap(mask)
    return {
        "description": "",
        "tags": [] if shapes else [{"name": empty_tag(class_name), "value": None}],
        "size": {"height": mask.shape[0], "width": mask.shape[1]},
        "objects": [
            {
                "classTitle": class_name,
                "description": "",
                "tags": [],
                "geometryType": kind,
                key: geometry,
            }
            for kind, key, geometry in shapes
        ],
    }


def project_meta(class_name: str = CLASS_NAME) -> dict[str, Any]:
    """Return the content of a project's meta.json: the class and the tag."""
    return {
        "classes": [{"title": class_name, "shape": "any", "color": "#00FF00"}],
        "tags": [
            {
                "name": empty_tag(class_name),
                "value_type": "none",
                "color": "#FF0000",
                "applicable_type": "imagesOnly",
            }
        ],
    }


_Geometry = tuple[str, str, dict[str, Any]]


def _polygons(mask: Mask) -> list[_Geometry]:
    outlines: list[NDArray[np.float64]] = pixel_outlines(mask)
    return [
        ("polygon", "points", {"exterior": points.tolist(), "interior": []}) for points in outlines
    ]


def _bitmap(mask: Mask) -> list[_Geometry]:
    x, y, width, height = cv2.boundingRect(mask)
    if not width:
        return []
    # Like Supervisely, store the mask in the alpha channel.
    patch = np.zeros((height, width, 4), np.uint8)
    patch[mask[y : y + height, x : x + width] > 0] = 255
    png = cv2.imencode(".png", patch)[1].tobytes()
    data = base64.b64encode(zlib.compress(png)).decode()
    return [("bitmap", "bitmap", {"data": data, "origin": [x, y]})]
