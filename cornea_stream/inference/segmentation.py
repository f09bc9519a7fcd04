"""The result for one frame: its mask, and everything that follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cornea_stream.errors import UsageError, check_number
from cornea_stream.inference.display import image_tag, png, table
from cornea_stream.inference.overlay import overlay
from cornea_stream.media.class_name import CLASS_NAME
from cornea_stream.media.frame import Frame, Image, Logits
from cornea_stream.media.image_input import ColorOrder
from cornea_stream.media.overlay import OverlayStyle
from cornea_stream.postprocess.contours import edge_outlines, pixel_outlines
from cornea_stream.postprocess.mask import upsample_logits
from cornea_stream.postprocess.measurement import Ellipse, Measurement, fit_ellipse, measure

if TYPE_CHECKING:
    import supervision


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Segmentation:
    """The cornea of one frame, or the structure that the weights are for.

    `mask` is (H, W) uint8 of the size of the upright frame, 255 on the cornea and 0 elsewhere.
    `confidence` is the mean probability, 0–1, inside the region that the network found; it is 0
    without a cornea.
    `class_name` is the name of the structure. `logits` are (h, w) float32 as the network returns
    them, for an input of `input_size` (height, width).

    Examples:
        >>> found = Segmenter()(image)  # an (H, W, 3) uint8 RGB array
        >>> found.mask.shape, found.mask.dtype, found.present
        ((384, 512), dtype('uint8'), True)
        >>> found  # doctest: +ELLIPSIS
        Segmentation(frame 0 at 0.000 s, mask (384, 512) uint8, cornea ...%, confidence ...)

    """

    frame: Frame
    mask: Image
    confidence: float
    class_name: str = CLASS_NAME
    logits: Logits | None = field(default=None)
    input_size: tuple[int, int] | None = None

    @property
    def present(self) -> bool:
        """Whether a cornea was found."""
        return self.confidence > 0

    @property
    def probability(self) -> NDArray[np.float32]:
        """(H, W) float32, the probability from 0 to 1 that a pixel is cornea.

        This is what the network sees; the mask is smoother, covers what instruments hide, and its
        edge lies on the limbus that the frame shows.
        Raises UsageError if the result was made without logits.
        """
        if self.logits is None or self.input_size is None:
            raise UsageError("this result has no logits: use one that a Segmenter returned")
        height, width = self.frame.size
        logits = upsample_logits(self.logits, self.input_size)
        enlarged = cv2.resize(logits, (width, height), interpolation=cv2.INTER_LINEAR)
        # tanh does not overflow, as exp does.
        return np.asarray(0.5 + 0.5 * np.tanh(0.5 * enlarged), np.float32)

    @property
    def contours(self) -> list[NDArray[np.int32]]:
        """The outer contour of every region, (N, 2) int32 points (x, y) through border pixels.

        `cv2.polylines` draws them and `cv2.fillPoly` restores the mask. Simplified by at most one
        pixel; holes are omitted.
        """
        return [points.astype(np.int32) for points in pixel_outlines(self.mask)]

    @property
    def ellipse(self) -> Ellipse | None:
        """The ellipse whose axes `measure` gives, or None without a cornea."""
        return fit_ellipse(self.mask)

    def measure(self) -> Measurement | None:
        """Return area, centroid and axes of the cornea in pixels, or None without a cornea."""
        return measure(self.mask)

    def to_dict(self) -> dict[str, float | None]:
        """Return frame number, time, measurements and confidence, as a row of metrics.csv.

        Without a cornea, the area is 0 and the rest of the geometry None. The column that compares
        a mask with the one before, `agreement_prev`, is not there.

        Examples:
            >>> import pandas as pd
            >>> table = pd.DataFrame(found.to_dict() for found in Segmenter().stream("surgery.mp4"))
            >>> list(table.columns)[:4]
            ['frame', 'time_s', 'present', 'area_px']

        """
        found = self.measure() if self.present else None
        nothing = dict.fromkeys(Measurement.__dataclass_fields__) | {
            "area_px": 0,
            "area_fraction": 0.0,
        }
        return {
            "frame": self.frame.index,
            "time_s": self.frame.time_s,
            "present": self.present,
            **(found.to_dict() if found else nothing),
            "confidence": self.confidence,
        }

    def overlay(self, style: OverlayStyle | None = None, *, color: ColorOrder = "rgb") -> Image:
        """Return the upright frame as (H, W, 3) uint8 with the cornea painted on.

        `style` is how; None paints a green area. `color` is the order of the channels: OpenCV
        shows and writes bgr.
        """
        return overlay(self.frame, self.mask, style, color=color, class_name=self.class_name)

    def to_supervision(self) -> supervision.Detections:
        """Return the cornea as `supervision.Detections`, empty without a cornea.

        It has one box, mask, confidence and class 0, named as `class_name`.
        Raises UsageError if supervision is not installed.
        """
        try:
            import supervision
        except ImportError as err:
            raise UsageError("to_supervision needs supervision: pip install supervision") from err
        if not self.present:
            return supervision.Detections.empty()
        left, top, width, height = cv2.boundingRect(self.mask)
        return supervision.Detections(
            xyxy=np.array([[left, top, left + width, top + height]], np.float32),
            mask=self.mask[None] > 0,
            confidence=np.array([self.confidence], np.float32),
            class_id=np.array([0]),
            data={"class_name": np.array([self.class_name])},
        )

    def to_coco(self, image_id: int = 1, annotation_id: int = 1) -> list[dict[str, Any]]:
        """Return COCO annotations of category 1: one with a cornea, none without.

        `segmentation` are polygons along the edges of the pixels, simplified by at most half a
        pixel; `area` and `bbox` are those of the mask, `score` is the confidence.
        Raises UsageError for numbers below 0.
        """
        check_number("image_id", image_id, 0, example=1)
        check_number("annotation_id", annotation_id, 0, example=1)
        polygons = [points.ravel().tolist() for points in edge_outlines(self.mask)]
        if not self.present or not polygons:
            return []
        return [
            {
                "id": annotation_id,
                "image_id": image_id,
                "category_id": 1,
                "segmentation": polygons,
                "area": cv2.countNonZero(self.mask),
                "bbox": list(cv2.boundingRect(self.mask)),
                "iscrowd": 0,
                "score": self.confidence,
            }
        ]

    def __repr__(self) -> str:
        height, width = self.mask.shape
        found = "no cornea"
        if self.present:
            share = cv2.countNonZero(self.mask) / self.mask.size
            found = f"cornea {share:.1%}, confidence {self.confidence:.2f}"
        frame = f"frame {self.frame.index} at {self.frame.time_s:.3f} s"
        return f"Segmentation({frame}, mask ({height}, {width}) uint8, {found})"

    def _repr_png_(self) -> bytes:
        return png(self._outlined())

    def _repr_html_(self) -> str:
        return image_tag(self._outlined()) + table(self.to_dict())

    def _outlined(self) -> Image:
        """Return the frame with an outline as wide as notebooks show it."""
        width = max(2, round(self.frame.size[1] / 320))
        return self.overlay(OverlayStyle(contour=True, thickness=width, label=False))
