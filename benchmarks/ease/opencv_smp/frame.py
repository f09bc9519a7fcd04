"""One frame, its mask and its overlay."""

import sys

import cv2
import numpy as np
from network import load, segment

source, folder, weights = sys.argv[1:]
capture = cv2.VideoCapture(source)
capture.set(cv2.CAP_PROP_POS_MSEC, 5500)
_, image = capture.read()
mask = segment(load(weights), image)
cv2.imwrite(f"{folder}/original.png", image)
cv2.imwrite(f"{folder}/mask.png", np.uint8(255) * mask)
image[mask] = image[mask] // 2 + (0, 127, 0)
cv2.imwrite(f"{folder}/overlay.png", image)
