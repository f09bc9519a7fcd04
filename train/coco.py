"""Masks as COCO JSON: one annotation per image, of one category."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cornea_stream.media.class_name import CLASS_NAME, in_words
from cornea_stream.postprocess.contours import edge_outlines

_CATEGORY = 1
_BY = "found by cornea-stream"


def is_written_here(content: dict[str, Any]) -> bool:
    """Whether COCO content is as `CocoFile` wrote it: it also lists frames without a mask."""
    info = content.get("info")
    return isinstance(info, dict) and str(info.get("description", "")).endswith(_BY)


class CocoFile:
    """Collects images with their masks; `content` returns the file content.

    The category is `class_name`. An image with an empty mask is listed without an annotation.
    Masks are exact run lengths or, with `polygons`, simplified outlines of their regions without
    holes.
    """

    def __init__(self, *, polygons: bool = False, class_name: str = CLASS_NAME) -> None:
        self._polygons, self._class_name = polygons, class_name
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, file_name: str, mask: NDArray[np.uint8]) -> None:
        """Add an image and its (H, W) mask; every value above 0 is the class."""
        image = len(self._images) + 1
        height, width = mask.shape
        self._images.append({"id": image, "file_name": file_name, "width": width, "height": height})
        segmentation = _polygons(mask) if self._polygons else _run_lengths(mask)
        if not segmentation or not mask.any():
            return
        self._annotations.append(
            {
                "id": len(self._annotations) + 1,
                "image_id": image,
                "category_id": _CATEGORY,
                "segmentation": segmentation,
                "area": cv2.countNonZero(mask),
                "bbox": list(cv2.boundingRect(mask)),
                "iscrowd": 0,
            }
        )

    def content(self) -> dict[str, Any]:
        """Return the file content as JSON values."""
        is_usual = self._class_name == CLASS_NAME
        what = "Corneas" if is_usual else f"Masks of {in_words(self._class_name)}"
        return {
            "info": {"description": f"{what} {_BY}"},
            "licenses": [],
            "images": self._images,
            "annotations": self._annotations,
            "categories": [{"id": _CATEGORY, "name": self._class_name, "supercategory": "eye"}],
        }


def _polygons(mask: NDArray[np.uint8]) -> list[list[float]]:
    return [points.ravel().tolist() for points in edge_outlines(mask)]


def _run_lengths(mask: NDArray[np.uint8]) -> dict[str, Any]:
    """Return COCO's uncompressed run lengths, column by column and starting with zeros."""
    pixels = mask.T.ravel() > 0
    starts = np.flatnonzero(np.diff(pixels, prepend=False))
    counts = np.diff(np.concatenate([[0], starts, [pixels.size]]))
    return {"size": list(mask.shape), "counts": counts.tolist()}
