"""One frame, its mask and its overlay."""

import sys

import cv2
import numpy as np
from ultralytics import YOLO

source, folder, weights = sys.argv[1:]
capture = cv2.VideoCapture(source)
capture.set(cv2.CAP_PROP_POS_MSEC, 5500)
_, image = capture.read()
(found,) = YOLO(weights, task="segment")(
    image, imgsz=(256, 416), retina_masks=True, max_det=1, verbose=False
)
mask = np.zeros(found.orig_shape, np.uint8)
if found.masks is not None:
    mask[found.masks.data[0].numpy() > 0] = 255
cv2.imwrite(f"{folder}/original.png", image)
cv2.imwrite(f"{folder}/mask.png", mask)
found.save(f"{folder}/overlay.png")
