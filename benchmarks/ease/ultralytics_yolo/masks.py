"""A mask PNG of every frame."""

import sys

import cv2
import numpy as np
from ultralytics import YOLO

source, folder, weights = sys.argv[1:]
options = {"imgsz": (256, 416), "retina_masks": True, "max_det": 1, "verbose": False}
for number, found in enumerate(YOLO(weights, task="segment")(source, stream=True, **options)):
    mask = np.zeros(found.orig_shape, np.uint8)
    if found.masks is not None:
        mask[found.masks.data[0].numpy() > 0] = 255
    cv2.imwrite(f"{folder}/{number:06d}.png", mask)
