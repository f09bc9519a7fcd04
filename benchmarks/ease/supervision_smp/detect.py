"""The cornea as supervision's detections."""

import numpy as np
import supervision as sv
from network import segment


def detect(model, image):
    """Return one detection, or none."""
    masks = segment(model, image)[None]
    if not masks.any():
        return sv.Detections.empty()
    return sv.Detections(xyxy=sv.mask_to_xyxy(masks), mask=masks, class_id=np.array([0]))
